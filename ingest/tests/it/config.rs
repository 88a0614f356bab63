//! A wrong configuration is refused before anything is bound, with the source and the mend; no secret is ever told.

use std::path::Path;

use hooklog_ingest::config::{Config, DEFAULTS};
use hooklog_ingest::source::Sources;
use hooklog_process::config::explain;
use serde_json::{Value, json};

use crate::server::{self, SECRET};

fn refused(source: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short");
    std::fs::write(&short, "fifteen bytes!!").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&short, std::fs::Permissions::from_mode(0o600)).unwrap();
    let source = source.replace("$SHORT", &format!("{{ id = \"short\", file = {:?} }}", short.display().to_string()));
    let later = format!("{{ id = \"short\", not_before = 4000000000, file = {:?} }}", short.display().to_string());
    let source = source.replace("$LATER", &later);
    let config = server::config(folder.path(), &format!("[sources.shop]\n{source}"));
    match Sources::build(&config) {
        Ok(_) => panic!("taken: {source}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_mistake_is_named_with_its_mend() {
    for (source, words) in [
        ("provider = \"githib\"", &["githib", "github", "hmac"][..]),
        ("provider = \"github\"", &["no secret"]),
        ("provider = \"none\"\nsecrets = [$SECRET]", &["none", "reads no secret"]),
        ("provider = \"github\"\nsecrets = [$SHORT]", &["short", "16"]),
        ("provider = \"github\"\nsecrets = [$SECRET, $SECRET]", &["twice", "`a`"]),
        ("provider = \"github\"\nsecrets = [{ id = \"x\", file = \"/nonexistent\" }]", &["/nonexistent", "\"x\""]),
        ("provider = \"github\"\nsecrets = [{ id = \"x\", env = \"HOOKLOG_UNSET\" }]", &["HOOKLOG_UNSET"]),
        ("provider = \"github\"\nsecrets = [$SECRET]\nmax_body = \"26MiB\"", &["25MiB"]),
        ("provider = \"none\"\nrate = 0", &["rate"]),
        ("provider = \"none\"\nduplicates = \"0s\"", &["duplicates", "leave it away"]),
        ("provider = \"none\"\nduplicates = \"8d\"", &["duplicates", "7d"]),
        ("provider = \"github\"\nsecrets = [$SECRET, $LATER]", &["short", "16"]),
        ("provider = \"none\"\ntopic = \"a b\"", &["topic name", "' '"]),
        (
            "provider = \"github\"\nsecrets = [{ id = \"x\", file = \"/x\", captured = true }]",
            &["\"x\"", "no handshake"],
        ),
        ("provider = \"asana\"\nsecrets = [{ id = \"x\", file = \"/x\", captured = true }]", &["unsigned_handshakes"]),
        ("provider = \"github\"\nkeys_url = \"https://a.example/k\"", &["github", "publishes no key set"]),
        ("provider = \"truelayer\"\nsecrets = [$SECRET]\nkeys_url = \"https://a.example/k\"", &["keep one of both"]),
        ("provider = \"github\"\nsecrets = [$SECRET]\nscheme = { hedaer = \"x\" }", &["hedaer"]),
    ] {
        let error = refused(source);
        assert!(error.starts_with("source \"shop\": "), "{error}");
        assert!(words.iter().all(|word| error.contains(word)), "{source} gave: {error}");
        assert!(!error.contains(SECRET) && !error.contains("fifteen bytes"), "{error}");
    }
}

#[test]
fn a_name_that_is_no_path_segment_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = server::config(folder.path(), "[sources.\"Git Hub\"]\nprovider = \"none\"");
    assert!(Sources::build(&config).err().unwrap().to_string().contains("Git Hub"));
}

#[test]
fn the_defaults_load_and_every_setting_is_explained() {
    let config = Config::defaults().unwrap();
    assert!(config.sources.is_empty());
    for setting in explain(DEFAULTS) {
        assert!(setting.explanation.len() > 10, "{} is not explained", setting.key);
    }
    assert_eq!(explain(DEFAULTS).len(), 54);
}

#[test]
fn the_manuals_sources_are_some_and_show_every_setting_of_a_source() {
    let folder = tempfile::tempdir().unwrap();
    let manual = DEFAULTS.lines().filter_map(|line| line.strip_prefix("#   "));
    let manual: String = manual.map(|line| format!("{line}\n")).collect();
    let file = "{ id = \"2026-11\", file = \"/run/secrets/github\" }";
    assert!(manual.contains(file) && manual.contains("GITHUB_OLD"), "{manual}");
    let schemas = folder.path().join("schemas");
    std::fs::create_dir(&schemas).unwrap();
    std::fs::write(schemas.join("default.json"), "{}").unwrap();
    let manual = manual.replace("schemas/github", &schemas.display().to_string());
    let config = server::config(folder.path(), &manual.replace(file, "$SECRET").replace("GITHUB_OLD", "PATH"));
    Sources::build(&config).unwrap_or_else(|error| panic!("{error}"));
    let shown = serde_json::to_value(&config.sources).unwrap();
    for key in shown["github"].as_object().unwrap().keys() {
        let mut values = shown.as_object().unwrap().values().map(|source| &source[key]);
        let is_empty = |value: &Value| value.is_null() || *value == json!([]) || *value == json!({});
        assert!(values.any(|value| !is_empty(value)), "the manual does not show {key}");
    }
}

#[test]
fn a_provider_file_of_ones_own_is_a_provider_or_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "providers = {:?}\n[sources.shop]\nprovider = \"acme\"\nsecrets = [$SECRET]",
        folder.path().display().to_string()
    );
    let build = || Sources::build(&server::config(folder.path(), &settings));
    assert!(build().err().unwrap().to_string().contains("acme"), "there is no such file yet");
    let file = |name: &str, more: &str| {
        let text = format!(
            "name = \"{name}\"\ntitle = \"Acme\"\nsource = \"https://acme.example/hooks\"\nconfidence = \"documented\"\n{more}"
        );
        std::fs::write(folder.path().join("acme.toml"), text).unwrap();
    };
    let mac = "auth = \"mac\"\nfn = \"hmac-sha256\"\nsigned = \"{body}\"\nsignature = { from = { header = \"X-Acme\" }, encoding = \"hex\" }";
    file("acme", "auth = \"mac\"\nfn = \"hmac-sha257\"");
    let wrong = build().err().unwrap().to_string();
    assert!(wrong.contains("acme.toml") && wrong.contains("hmac-sha257"), "{wrong}");
    file("other", mac);
    assert!(build().err().unwrap().to_string().contains("called by its name"));
    file("acme", mac);
    assert_eq!(build().unwrap().find("shop").unwrap().scheme.title, "Acme");
}

#[test]
fn the_public_url_is_what_a_provider_signs_that_signs_one() {
    let folder = tempfile::tempdir().unwrap();
    let source = |more: &str| format!("[sources.square]\nprovider = \"square\"\nsecrets = [$SECRET]\n{more}");
    let built = |more: &str| Sources::build(&server::config(folder.path(), &source(more))).map(|_| ()).err();
    assert!(built("").unwrap().to_string().contains("url"), "a signed URL is never guessed");
    assert!(built("public_url = \"https://hooks.example.com/in/square\"").is_none());
    assert!(built("scheme = { url = \"https://hooks.example.com/in/square\" }").is_none());
}

#[test]
fn a_reserve_in_which_no_spool_can_be_opened_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small.toml");
    std::fs::write(&file, "[spool]\nreserve = \"1023KiB\"").unwrap();
    let error = Config::load(Some(&file)).unwrap_err().to_string();
    assert!(["small.toml", "spool.reserve", "1MiB is the least"].iter().all(|word| error.contains(word)), "{error}");
    std::fs::write(&file, "[spool]\nreserve = \"1MiB\"").unwrap();
    assert_eq!(Config::load(Some(&file)).unwrap().spool.reserve.0, 1 << 20);
}

#[test]
fn a_public_url_is_kept_as_it_was_given_or_refused_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let url = "https://hooks.example.com/a%2Fb/?x=1";
    let source = format!("[sources.shop]\nprovider = \"none\"\npublic_url = {url:?}");
    let sources = Sources::build(&server::config(folder.path(), &source)).unwrap();
    let kept = sources.find("shop").unwrap().public_url.as_ref();
    assert_eq!(kept.map(|url| url.as_str()), Some(url));
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "[sources.shop]\nprovider = \"none\"\npublic_url = \"//me:canary@example.com\"").unwrap();
    let error = Config::load(Some(&file)).unwrap_err().to_string();
    assert!(
        ["wrong.toml", "sources.shop", "public_url", "https://"].iter().all(|word| error.contains(word)),
        "{error}"
    );
    assert!(!error.contains("canary"), "{error}");
}

#[test]
fn what_is_shown_of_a_configuration_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        server::config(folder.path(), "[kafka]\nproperties = { \"sasl.password\" = { env = \"KAFKA_PASSWORD\" } }");
    let shown = serde_json::to_string(&config).unwrap();
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.contains("github") && shown.contains("KAFKA_PASSWORD"));
}

#[test]
fn a_missing_file_is_no_default() {
    assert!(Config::load(Some(Path::new("/nonexistent.toml"))).is_err());
}
