//! What every verb works with: the options, the servers, the printer, and leave to change something.

use std::{
    env,
    io::{self, BufRead, IsTerminal, Write},
};

use beanstalk_sync::{Client, Endpoint};

use crate::{
    exit::{Exit, Failure, Outcome},
    options::Options,
    output::{Printer, Row},
    report::{Report, Tally},
};

/// The variable with the addresses of the queues.
const URL: &str = "BEANSTALK_URL";

pub(crate) struct App {
    pub(crate) options: Options,
    pub(crate) printer: Printer,
    pub(crate) report: Report,
}

impl App {
    pub(crate) fn new(options: Options) -> Self {
        let printer = Printer::stdout(options.output, options.raw, options.color);
        let report = Report::new(options.color);
        Self { options, printer, report }
    }

    /// Takes the servers of the environment if the command line names none.
    pub(crate) fn find_servers(&mut self) -> Outcome<()> {
        if self.options.servers.is_empty() {
            let url = env::var_os(URL).unwrap_or_default();
            for server in url.to_string_lossy().split_whitespace() {
                let server = server.parse().map_err(|error| Failure::usage(format!("{URL}: {error}")))?;
                self.options.servers.push(server);
            }
        }
        if self.options.servers.is_empty() {
            self.options.servers.push(Endpoint::default());
        }
        Ok(())
    }

    /// The server of a verb that changes something.
    pub(crate) fn server(&self) -> Outcome<&Endpoint> {
        match &*self.options.servers {
            [server] => Ok(server),
            several => Err(Failure::usage(format!("this verb is for one server, and there are {}", several.len()))
                .help("choose it with -s ENDPOINT; job ids and changes are of one server")),
        }
    }

    /// Connects to it.
    pub(crate) fn client(&self) -> Outcome<Client> {
        self.connect(self.server()?)
    }

    pub(crate) fn connect(&self, server: &Endpoint) -> Outcome<Client> {
        crate::connect::connect(&self.options, server)
    }

    /// Asks every server, and prints what they answer as one list. A server that fails is reported; the others are printed.
    pub(crate) fn list(
        &mut self,
        columns: &[&'static str],
        mut ask: impl FnMut(&mut Client, &mut Tally<'_>) -> Outcome<Vec<Row>>,
    ) -> Outcome {
        let several = self.options.servers.len() > 1;
        let mut rows = Vec::new();
        let mut tally = Tally::new(&self.report);
        for server in &self.options.servers {
            let asked = self.connect(server).and_then(|mut client| ask(&mut client, &mut tally));
            match asked {
                Ok(found) => {
                    tally.done();
                    rows.extend(found.into_iter().map(|row| row.first("server", several.then(|| server.to_string()))));
                }
                Err(failure) => tally.failed(failure),
            }
        }
        let exit = tally.exit();
        if exit == Exit::Done || !rows.is_empty() {
            let columns: Vec<_> = several.then_some("server").into_iter().chain(columns.iter().copied()).collect();
            self.printer.list(&columns, &rows)?;
        }
        Ok(exit)
    }

    /// Whether to go on and change something: an error with `--read-only`, and `false` with `--dry-run`, which prints what it would be.
    pub(crate) fn may(&mut self, what: impl FnOnce() -> String) -> Outcome<bool> {
        if self.options.read_only {
            return Err(Failure::new(Exit::NotAllowed, format!("--read-only forbids it: {}", what())));
        }
        if self.options.dry_run {
            self.printer.text(&format!("would {}\n", what()))?;
            return Ok(false);
        }
        Ok(true)
    }

    /// As [`App::may`], and asks first, unless `--yes` is there. Without a terminal to ask on, `--yes` has to be.
    pub(crate) fn may_destroy(&mut self, what: impl Fn() -> String) -> Outcome<bool> {
        if !self.may(&what)? {
            return Ok(false);
        }
        if self.options.yes {
            return Ok(true);
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failure::new(Exit::NotAllowed, format!("not confirmed: {}", what()))
                .help("--yes confirms it; --dry-run only shows it"));
        }
        let mut stderr = io::stderr();
        write!(stderr, "{}? [y/N] ", what())
            .and_then(|()| stderr.flush())
            .map_err(|error| Failure::local("terminal", &error))?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::local("terminal", &error))?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(true),
            _ => Err(Failure::new(Exit::NotAllowed, "not confirmed; nothing was done")),
        }
    }
}
