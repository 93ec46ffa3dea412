//! What a search of the documentation finds: every command by its word on the wire, and by what other clients call it.

/// A method, the word on the wire, and the attributes of its documentation.
type Row = (&'static str, &'static str, &'static [&'static str]);

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident $(<$lt:lifetime>)? $method:ident $word:literal match $prefix:literal
       $(($($arg:ident: $ty:ident $(<$of:lifetime>)?),+))? -> $reply:ty { $($pattern:pat => $value:expr,)* }
       replies [$($kind:ident)*] wait $wait:ident echo $echo:ident shared $shared:ident example $example:literal;)*) => {
        const ROWS: &[Row] = &[$((stringify!($method), $word, &[$(stringify!($doc)),*])),*];
    };
}

beanstalk_proto::command_table!(rows);

fn is_found(row: &Row, name: &str) -> bool {
    let alias = format!("alias = {name:?}");
    row.0 == name || row.2.iter().any(|doc| doc.starts_with("doc") && doc.contains(&alias))
}

#[test]
fn every_command_is_found_by_its_word_on_the_wire() {
    for row in ROWS {
        assert!(is_found(row, row.1), "{} is not found as {}", row.0, row.1);
    }
}

#[test]
fn commands_are_found_by_the_names_that_other_clients_give_them() {
    for (name, method) in [("del", "delete"), ("list-tubes-used", "list_tube_used"), ("use", "use_tube")] {
        let found: Vec<_> = ROWS.iter().filter(|row| is_found(row, name)).map(|row| row.0).collect();
        assert_eq!(found, [method]);
    }
}
