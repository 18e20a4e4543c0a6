//! Writes the same four entries with each Rust logger: `loggers NAME`.
const READY: &str = "configuration store is ready";
const SLOW: &str = "cache is slow: 812 ms";
const DOWN: &str = "database is down";
const TRAP: &str = "client sent level=error and ERROR in its text";

fn traced() {
    tracing::info!(entries = 3, "{READY}");
    tracing::warn!("{SLOW}");
    tracing::error!(host = "db-1", "{DOWN}");
    tracing::info!("{TRAP}");
}

fn traced_in_a_span() {
    let outer = tracing::info_span!("request", id = 7, path = "/configs");
    let _outer = outer.enter();
    let inner = tracing::info_span!("load");
    let _inner = inner.enter();
    traced();
}

fn main() {
    match std::env::args().nth(1).unwrap().as_str() {
        "tracing-text" => {
            tracing_subscriber::fmt().with_ansi(false).init();
            traced();
        }
        "tracing-colours" => {
            tracing_subscriber::fmt().with_ansi(true).init();
            traced_in_a_span();
        }
        "tracing-spans" => {
            tracing_subscriber::fmt().with_ansi(false).init();
            traced_in_a_span();
        }
        "tracing-json" => {
            tracing_subscriber::fmt().json().init();
            traced_in_a_span();
        }
        "env-logger" => {
            env_logger::Builder::new()
                .filter_level(log::LevelFilter::Info)
                .target(env_logger::Target::Stdout)
                .init();
            log::info!("{READY}");
            log::warn!("{SLOW}");
            log::error!("{DOWN}");
            log::info!("{TRAP}");
        }
        other => panic!("no logger {other}"),
    }
}
