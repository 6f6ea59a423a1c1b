//! Statements of the state, as PostgreSQL runs them.

use super::state::StateStore;
use super::view::Fields;
use crate::LedgerError;
use crate::state::sql::{EachRow, Statements};
use crate::value::Value;
use bytes::BytesMut;
use std::error::Error;
use tokio_postgres::types::{IsNull, ToSql, Type};

impl Statements for StateStore {
    fn change(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, LedgerError> {
        let (sql, values) = (numbered(sql), bound(values));
        self.transact(async |client| client.execute(&sql, &values).await)
    }

    fn ask(&mut self, sql: &str, values: &[Value<'_>], each: &mut EachRow<'_>) -> Result<(), LedgerError> {
        let (sql, values) = (numbered(sql), bound(values));
        let rows = self.transact(async |client| client.query(&sql, &values).await)?;
        rows.iter().try_for_each(|row| each(&Fields::new(row, self.place())))
    }

    fn number_on(&mut self, table: &str, column: &str) -> Result<(), LedgerError> {
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table} HAVING count(*) > 0"
        );
        self.transact(async |client| client.batch_execute(&sql).await)
    }

    fn served_tier(&self) -> &'static str {
        "coalesce((SELECT text FROM words WHERE words.id = served_tier), spelled[-served_tier])"
    }
}

/// `?1` as PostgreSQL writes it.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

fn bound<'a>(values: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as _).collect()
}

/// As whatever type the statement wants in its place.
impl ToSql for Value<'_> {
    fn to_sql(&self, wanted: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (*self, wanted) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Integer(number), &Type::INT2) => i16::try_from(number)?.to_sql(wanted, out),
            (Value::Integer(number), &Type::INT4) => i32::try_from(number)?.to_sql(wanted, out),
            (Value::Integer(number), _) => number.to_sql(wanted, out),
            (Value::Real(number), _) => number.to_sql(wanted, out),
            // The one letter that PostgreSQL has no room for.
            (Value::Text(text), _) if text.contains('\0') => text.replace('\0', "\u{fffd}").to_sql(wanted, out),
            (Value::Text(text), _) => text.to_sql(wanted, out),
            (Value::Blob(bytes), _) => bytes.to_sql(wanted, out),
        }
    }

    fn accepts(wanted: &Type) -> bool {
        matches!(*wanted, Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT8 | Type::TEXT)
    }

    tokio_postgres::types::to_sql_checked!();
}
