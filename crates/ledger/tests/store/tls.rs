//! A PostgreSQL that speaks TLS: whom it is believed, and what is said where it is not.

use tierway_ledger::{Ledger, Options, Reader};
use tierway_testkit::Authority;
use tierway_testkit::postgres::Postgres;

#[test]
fn only_a_server_with_the_right_certificate_gets_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new().unwrap();
    let shown = authority.sign(&["localhost"]).unwrap();
    let server = Postgres::start_tls(&shown.certificate, &shown.key).unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let (ours, another) = (file("ours.pem", &authority.pem()), file("another.pem", &Authority::new().unwrap().pem()));
    let (none, text) = (folder.path().join("none.pem").display().to_string(), file("text.pem", "no certificate"));
    let url = server.database().unwrap();
    let named = url.replace("127.0.0.1", "localhost");
    for (url, parameters, want) in [
        (&named, format!("sslrootcert={ours}"), None),
        (&named, format!("sslmode=verify-full&sslrootcert={ours}"), None),
        (&named, "sslmode=disable".into(), None),
        // Asked for TLS, all of it is checked, whatever libpq would make of the word.
        (&named, "sslmode=require".into(), Some("UnknownIssuer")),
        (&named, format!("sslmode=require&sslrootcert={another}"), Some("invalid peer certificate")),
        (&url, format!("sslmode=verify-full&sslrootcert={ours}"), Some("not valid for name")),
        (&named, format!("sslrootcert={none}"), Some("none.pem")),
        (&named, format!("sslrootcert={text}"), Some("no certificate in it")),
    ] {
        let url = format!("{url}?{parameters}");
        let opened = Ledger::open(url.as_str(), Options::default()).and_then(|ledger| ledger.close());
        match (opened, want) {
            (Ok(()), None) => assert!(Reader::open(url.as_str()).is_ok(), "{parameters}"),
            (Err(error), Some(want)) => {
                let said = error.to_string();
                assert!(said.contains(want) && !said.contains("only-for-tests"), "{parameters}: {said}");
            }
            (opened, want) => panic!("{parameters}: {opened:?}, not {want:?}"),
        }
    }
}
