//! What is printed, in one of four forms.
//!
//! | form | one thing | several |
//! |---|---|---|
//! | `table` | a line for each field | a table with a heading |
//! | `json` | an object | an array |
//! | `jsonl` | an object on a line | an object a line |
//! | `plain` | values between tabs, no heading | the same, a line each |
//!
//! A verb that takes several things prints an array even for one. Field names are the same in all forms. A body is base64 in JSON, beside a `text` that is null if the body is not text.

mod table;
mod value;

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;

pub(crate) use value::{Row, Value, printable, span};

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Aligned columns, for people
    Table,
    /// One JSON document
    Json,
    /// A JSON object a line
    Jsonl,
    /// Values between tabs, without a heading
    Plain,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

impl Colour {
    pub(crate) fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                stream.is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// Prints to standard output, or to a test.
pub(crate) struct Printer<W: Write = io::BufWriter<io::StdoutLock<'static>>> {
    pub(crate) form: Form,
    /// Whether bodies are written as they are, and nothing else of a job.
    raw: bool,
    colour: bool,
    /// How many items of a list were printed one by one.
    items: usize,
    /// What is printed of a table that comes in parts.
    table: table::Columns,
    out: W,
}

impl Printer {
    pub(crate) fn stdout(form: Form, raw: bool, colour: Colour) -> Self {
        let out = io::stdout();
        Self {
            form,
            raw,
            colour: colour.on(&out),
            items: 0,
            table: table::Columns::default(),
            out: io::BufWriter::new(out.lock()),
        }
    }
}

impl<W: Write> Printer<W> {
    /// One thing with these fields.
    pub(crate) fn one(&mut self, row: &Row) -> io::Result<()> {
        match self.form {
            _ if self.raw && row.body().is_some() => self.out.write_all(row.body().unwrap_or_default()),
            Form::Table => table::fields(&mut self.out, row, self.colour),
            Form::Json => {
                serde_json::to_writer_pretty(&mut self.out, &row.to_json())?;
                writeln!(self.out)
            }
            Form::Jsonl => self.json_line(row),
            Form::Plain => self.plain(row),
        }
    }

    /// One of several things, of which each has many fields. [`Printer::end`] follows the last.
    pub(crate) fn item(&mut self, row: &Row) -> io::Result<()> {
        let first = self.items == 0;
        self.items += 1;
        match self.form {
            _ if self.raw && row.body().is_some() => self.one(row),
            Form::Table if !first => {
                writeln!(self.out)?;
                self.one(row)
            }
            Form::Json => {
                self.out.write_all(if first { b"[\n" } else { b",\n" })?;
                serde_json::to_writer_pretty(&mut self.out, &row.to_json())?;
                Ok(())
            }
            _ => self.one(row),
        }
    }

    /// One of several things that were done: a sentence for people, one word for scripts, the fields in JSON. Where it is not read, the
    /// others are to be done nevertheless, and it is no error.
    pub(crate) fn act(&mut self, sentence: &str, plain: &str, row: &Row) -> io::Result<()> {
        let printed = match self.form {
            Form::Table => writeln!(self.out, "{sentence}"),
            Form::Plain => writeln!(self.out, "{plain}"),
            Form::Json | Form::Jsonl => self.item(row),
        };
        though_unread(printed)
    }

    /// Flushes what [`Printer::act`] has printed.
    pub(crate) fn flush_acts(&mut self) -> io::Result<()> {
        though_unread(self.out.flush())
    }

    /// Ends what [`Printer::item`] and [`Printer::act`] have printed.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        though_unread(match self.form {
            Form::Json if self.items == 0 => self.out.write_all(b"[]\n"),
            Form::Json => self.out.write_all(b"\n]\n"),
            _ => Ok(()),
        })
    }

    /// The one thing that was done: as [`Printer::act`], with an object in JSON.
    pub(crate) fn done(&mut self, sentence: &str, plain: &str, row: &Row) -> io::Result<()> {
        though_unread(match self.form {
            Form::Table => writeln!(self.out, "{sentence}"),
            Form::Plain => writeln!(self.out, "{plain}"),
            Form::Json | Form::Jsonl => self.one(row),
        })
    }

    /// Several things with the same fields. The columns are given because there may be none.
    pub(crate) fn list(&mut self, columns: &[&'static str], rows: &[Row]) -> io::Result<()> {
        match self.form {
            _ if self.raw && columns.contains(&"body") => rows.iter().try_for_each(|row| self.one(row)),
            Form::Table => table::Columns::default().print(&mut self.out, columns, rows, self.colour),
            Form::Json => {
                let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
                serde_json::to_writer_pretty(&mut self.out, &rows)?;
                writeln!(self.out)
            }
            Form::Jsonl => rows.iter().try_for_each(|row| self.json_line(row)),
            Form::Plain => rows.iter().try_for_each(|row| self.plain(row)),
        }
    }

    /// A part of a table, whatever the form: the heading stands before the first.
    pub(crate) fn part(&mut self, columns: &[&'static str], rows: &[Row]) -> io::Result<()> {
        self.table.print(&mut self.out, columns, rows, self.colour)
    }

    /// Bytes as they are, whatever the form.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// Lines as they are, whatever the form.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn json_line(&mut self, row: &Row) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &row.to_json())?;
        writeln!(self.out)
    }

    fn plain(&mut self, row: &Row) -> io::Result<()> {
        for (at, (_, value)) in row.fields().iter().enumerate() {
            if at > 0 {
                self.out.write_all(b"\t")?;
            }
            write!(self.out, "{}", value.plain())?;
        }
        writeln!(self.out)
    }
}

/// What was done is done, though its reader has gone.
pub(crate) fn though_unread(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(form: Form, raw: bool, print: impl FnOnce(&mut Printer<Vec<u8>>) -> io::Result<()>) -> String {
        let mut printer =
            Printer { form, raw, colour: false, items: 0, table: table::Columns::default(), out: Vec::new() };
        print(&mut printer).expect("memory takes everything");
        String::from_utf8(printer.out).expect("it is text")
    }

    fn job(body: &[u8]) -> Row {
        Row::new().with("id", 7_u64).with("tube", "a").with("body", Value::Body(body.to_vec()))
    }

    #[test]
    fn each_form_prints_a_body_that_is_not_text_without_loss() {
        let print = |form| printed(form, false, |printer| printer.one(&job(b"\xff\x00\tx")));
        assert_eq!(print(Form::Table), "id    7\ntube  a\nbody  \\xff\\x00\\tx\n");
        assert_eq!(print(Form::Jsonl), "{\"id\":7,\"tube\":\"a\",\"body\":\"/wAJeA==\",\"text\":null}\n");
        assert_eq!(print(Form::Plain), "7\ta\t\\xff\\x00\\tx\n");
    }

    #[test]
    fn raw_is_the_body_and_nothing_else() {
        let raw = printed(Form::Json, true, |printer| printer.list(&["id", "body"], &[job(b"a\n"), job(b"b")]));
        assert_eq!(raw, "a\nb");
    }

    #[test]
    fn an_empty_list_is_an_empty_list_in_each_form() {
        for (form, expected) in
            [(Form::Table, "name  ready\n"), (Form::Json, "[]\n"), (Form::Jsonl, ""), (Form::Plain, "")]
        {
            assert_eq!(printed(form, false, |printer| printer.list(&["name", "ready"], &[])), expected);
        }
    }

    #[test]
    fn a_table_in_parts_has_one_heading() {
        let row = |name: &str, ready: u64| Row::new().with("name", name).with("ready", ready);
        let table = printed(Form::Table, false, |printer| {
            printer.part(&["name", "ready"], &[row("a", 5)])?;
            printer.part(&["name", "ready"], &[row("mails", 1234)])?;
            printer.part(&["name", "ready"], &[row("b", 6)])
        });
        assert_eq!(table, "name  ready\na         5\nmails   1234\nb          6\n");
    }

    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        let row = |name: &str, ready: u64| Row::new().with("name", name).with("ready", ready);
        let table =
            printed(Form::Table, false, |printer| printer.list(&["name", "ready"], &[row("a", 5), row("mails", 1234)]));
        assert_eq!(table, "name   ready\na          5\nmails   1234\n");
    }
}
