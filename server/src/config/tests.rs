// SPDX-License-Identifier: Apache-2.0
//! The order of the layers, and what is refused.

use super::*;

fn environment(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn refused(layers: Result<Layers, ConfigError>) -> String {
    layers.and_then(Layers::build).expect_err("these settings are wrong").0
}

#[test]
fn the_defaults_can_be_used_and_are_safe() {
    let config = Layers::defaults().build().unwrap();
    assert!(config.listen.ip().is_loopback());
    assert!(!config.is_insecure_allowed);
    assert_eq!(config.demo_app, DemoApp::Loopback);
    assert_eq!(config.gateway.silence_ms_max, 400_000);
}

#[test]
fn a_later_layer_replaces_what_it_names_and_nothing_else() {
    let file = "data_folder = 'from-file'\nlisten = '127.0.0.1:1'\n[gateway]\nstuck_ms_max = 1\ndrain_ms_max = 1\n";
    let config = Layers::defaults()
        .with_toml(file, "hongyan.toml")
        .unwrap()
        .with_environment(environment(&[
            ("HONGYAN_SERVER_LISTEN", "127.0.0.1:2"),
            ("HONGYAN_SERVER_GATEWAY__STUCK_MS_MAX", "2"),
            ("HONGYAN_SERVER_LOG__LEVEL", "warn"),
            ("HONGYAN_SOMETHING_ELSE", "is not read"),
        ]))
        .unwrap()
        .with_value("listen", "127.0.0.1:3", "--listen")
        .unwrap()
        .build()
        .unwrap();
    assert_eq!(config.data_folder, PathBuf::from("from-file"));
    assert_eq!(config.listen.port(), 3);
    assert_eq!((config.gateway.stuck_ms_max, config.gateway.drain_ms_max), (2, 1));
    assert_eq!(config.gateway.login_deadline_ms, 10_000);
    assert_eq!(config.log.level, "warn");
}

#[test]
fn the_store_is_in_the_folder_or_in_a_database_and_its_password_is_not_repeated() {
    let place = |store| Layers::defaults().with_value("store", store, "--store").unwrap().build().unwrap().place();
    assert!(matches!(place("sqlite"), Ok(Place::Folder(folder)) if folder == *"hongyan-data"));
    let address = "postgres://im:secret@db.example:5433/chat";
    let Ok(Place::Postgres(options)) = place(address) else { panic!("it is a database") };
    assert_eq!((options.get_host(), options.get_port(), options.get_database()), ("db.example", 5433, Some("chat")));
    assert!(!format!("{:?}", StoreAddress(address.to_owned())).contains("secret"));
    for wrong in ["", "mysql://im:secret@db.example/chat", "postgres://im:secret@:x/chat"] {
        let refusal = refused(Layers::defaults().with_value("store", wrong, "--store"));
        assert!(refusal.starts_with("the setting store is neither") && !refusal.contains("secret"), "{refusal}");
    }
}

#[test]
fn an_unknown_setting_is_named_with_its_place() {
    let of_file = |text| refused(Layers::defaults().with_toml(text, "hongyan.toml"));
    assert_eq!(of_file("lisen = '127.0.0.1:1'"), "the setting lisen (in hongyan.toml) is unknown");
    assert_eq!(of_file("[gateway]\nspeed = 1"), "the setting gateway.speed (in hongyan.toml) is unknown");
    assert_eq!(
        refused(Layers::defaults().with_environment(environment(&[("HONGYAN_SERVER_SPEED", "1")]))),
        "the environment variable HONGYAN_SERVER_SPEED names no setting"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_its_place() {
    let of_file = |text| refused(Layers::defaults().with_toml(text, "hongyan.toml"));
    assert_eq!(
        of_file("[gateway]\nstuck_ms_max = 'long'"),
        "the setting gateway.stuck_ms_max is \"long\" (in hongyan.toml): expected a whole number"
    );
    assert_eq!(of_file("gateway = 1"), "the setting gateway is 1 (in hongyan.toml): expected a section");
    let of_environment = |name, value| refused(Layers::defaults().with_environment(environment(&[(name, value)])));
    assert_eq!(
        of_environment("HONGYAN_SERVER_IS_INSECURE_ALLOWED", "yes"),
        "the setting is_insecure_allowed is \"yes\" (in the environment variable HONGYAN_SERVER_IS_INSECURE_ALLOWED): \
         expected true or false"
    );
}

#[test]
fn a_value_out_of_range_is_named_with_its_place() {
    let of_flag = |key, value, flag| refused(Layers::defaults().with_value(key, value, flag));
    let listen = of_flag("listen", "localhost", "--listen");
    assert!(listen.starts_with("the setting listen is \"localhost\" (in --listen): "), "{listen}");
    let format = of_flag("log.format", "xml", "--log-format");
    assert!(format.starts_with("the setting log.format is \"xml\" (in --log-format): "), "{format}");
    let negative = of_flag("gateway.drain_ms_max", "-1", "a test");
    assert!(negative.starts_with("the setting gateway.drain_ms_max is -1 (in a test): "), "{negative}");
    assert_eq!(
        of_flag("gateway.requests_burst", "0", "a test"),
        "the setting gateway.requests_burst is 0; it must be at least 1"
    );
    let level = of_flag("log.level", "loud", "--log-level");
    assert!(level.starts_with("the setting log.level is \"loud\""), "{level}");
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_place() {
    let refusal = refused(Layers::defaults().with_toml("listen = ", "hongyan.toml"));
    assert!(refusal.starts_with("the settings file hongyan.toml is not TOML: "), "{refusal}");
    let text = "[tls]\nkey = 'key.pem'\n\nlisten = [\n";
    let refusal = refused(Layers::defaults().with_toml(text, "hongyan.toml"));
    assert!(refusal.starts_with("the settings file hongyan.toml is not TOML: line 4, column 11: "), "{refusal}");
    let missing = refused(Layers::defaults().with_file(Path::new("/there/is/no/such/file")));
    assert!(missing.starts_with("the settings file /there/is/no/such/file cannot be read: "), "{missing}");
}

#[test]
fn what_cannot_be_read_is_not_repeated_where_it_may_hold_a_password() {
    for text in [
        "store = postgres://im:secret@db.example/chat",
        "store = \"postgres://im:secret@db.example/chat",
        "store = 'postgres://im:secret@db.example/chat' and more",
        "store = 'sqlite'\nstore = 'postgres://im:secret@db.example/chat'",
        "store 'postgres://im:secret@db.example/chat'",
        "postgres://im:secret@db.example/chat",
        "store = ['postgres://im:secret@db.example/chat']",
        "store = { address = 'postgres://im:secret@db.example/chat' }",
        "[store]\naddress = 'postgres://im:secret@db.example/chat'",
        "listen = 'postgres://im:secret@db.example/chat\nstore = 'sqlite'",
    ] {
        let refusal = refused(Layers::defaults().with_toml(text, "hongyan.toml"));
        assert!(!refusal.contains("secret") && refusal.contains("hongyan.toml"), "{text}: {refusal}");
    }
}

#[test]
fn plain_text_beyond_loopback_needs_a_setting_that_says_so() {
    let beyond = || Layers::defaults().with_value("listen", "0.0.0.0:7700", "--listen");
    assert!(refused(beyond()).contains("is_insecure_allowed"));
    let allowed = beyond().unwrap().with_value("is_insecure_allowed", "true", "--insecure").unwrap().build().unwrap();
    assert!(!allowed.demo_app.is_allowed_on(allowed.listen));
    assert!(DemoApp::Everywhere.is_allowed_on(allowed.listen));
    assert!(!DemoApp::Never.is_allowed_on(SocketAddr::from(([127, 0, 0, 1], 1))));
}

#[test]
fn metrics_are_shown_nowhere_until_named_and_on_loopback_unless_allowed() {
    assert_eq!(Layers::defaults().build().unwrap().admin.listen, None);
    let with = |text| Layers::defaults().with_toml(text, "hongyan.toml").unwrap().build();
    assert_eq!(with("[admin]\nlisten = '127.0.0.1:7701'").unwrap().admin.listen.unwrap().port(), 7701);
    assert!(with("[admin]\nlisten = '0.0.0.0:7701'").unwrap_err().0.contains("admin.is_remote_allowed"));
    assert!(with("[admin]\nlisten = '0.0.0.0:7701'\nis_remote_allowed = true").is_ok());
    let refusal = with("[admin]\nlisten = 'metrics'").unwrap_err().0;
    assert!(refusal.starts_with("the setting admin.listen is \"metrics\" (in hongyan.toml): "), "{refusal}");
}

#[test]
fn a_server_with_a_certificate_may_listen_anywhere_and_needs_both_files() {
    let beyond = || Layers::defaults().with_value("listen", "0.0.0.0:7700", "--listen").unwrap();
    let file = |key| beyond().with_value(key, "some.pem", "a test").unwrap();
    assert_eq!(
        refused(Ok(file("tls.certificate"))),
        "the setting tls.certificate is given and tls.key is not; TLS needs both"
    );
    assert_eq!(refused(Ok(file("tls.key"))), "the setting tls.key is given and tls.certificate is not; TLS needs both");
    let both = file("tls.key").with_value("tls.certificate", "other.pem", "a test").unwrap().build().unwrap();
    assert!(both.tls.is_on() && !both.is_insecure_allowed);
}

#[test]
fn every_key_of_the_defaults_is_explained() {
    let text = include_str!("../../config.default.toml");
    let mut is_explained = false;
    for line in text.lines() {
        match line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            // Keys of a pair stand below one explanation.
            Some((key, _)) => assert!(is_explained, "{key} has no comment above it"),
            None => is_explained = line.starts_with('#'),
        }
    }
}
