//! Which provider sends what: one row a provider, by hand from its documentation.

use super::Encoding::{Base64, Base64Url, Hex};
use super::Hash::{Sha1, Sha256, Sha512};
use super::Key::{Decoded, Hexed, Text, Whsec};
use super::{Formula, Key, OverBody, SECONDS};

const MILLIS: &str = "1700000000000";
const RFC_3339: &str = "2023-11-14T22:13:20Z";
const NO_ZONE: &str = "2023-11-14T22:13:20";
const HTTP_DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

const WEBHOOK: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const SVIX: [&str; 3] = ["svix-id", "svix-timestamp", "svix-signature"];

pub(super) const OVER_BODY: &[OverBody] = &[
    ("bitbucket", Text, Sha256, Hex, "X-Hub-Signature", "sha256="),
    ("bitbucket-data-center", Text, Sha256, Hex, "X-Hub-Signature", "sha256="),
    ("jira", Text, Sha256, Hex, "X-Hub-Signature", "sha256="),
    ("gitea", Text, Sha256, Hex, "X-Gitea-Signature", ""),
    ("asana", Text, Sha256, Hex, "X-Hook-Signature", ""),
    ("intercom", Text, Sha1, Hex, "X-Hub-Signature", "sha1="),
    ("segment", Text, Sha1, Hex, "X-Signature", ""),
    ("sentry", Text, Sha256, Hex, "Sentry-Hook-Signature", ""),
    ("vercel", Text, Sha1, Hex, "x-vercel-signature", ""),
    ("launchdarkly", Text, Sha256, Hex, "X-LD-Signature", ""),
    ("gocardless", Text, Sha256, Hex, "Webhook-Signature", ""),
    ("coinbase-commerce", Text, Sha256, Hex, "X-CC-Webhook-Signature", ""),
    ("lemon-squeezy", Text, Sha256, Hex, "X-Signature", ""),
    ("modern-treasury", Text, Sha256, Hex, "X-Signature", ""),
    ("dwolla", Text, Sha256, Hex, "X-Request-Signature-SHA-256", ""),
    ("checkout-com", Text, Sha256, Hex, "Cko-Signature", ""),
    ("mollie", Text, Sha256, Hex, "X-Mollie-Signature", "sha256="),
    ("cal-com", Text, Sha256, Hex, "X-Cal-Signature-256", ""),
    ("dropbox", Text, Sha256, Hex, "X-Dropbox-Signature", ""),
    ("meta", Text, Sha256, Hex, "X-Hub-Signature-256", "sha256="),
    ("whatsapp", Text, Sha256, Hex, "X-Hub-Signature-256", "sha256="),
    ("instagram", Text, Sha256, Hex, "X-Hub-Signature-256", "sha256="),
    ("messenger", Text, Sha256, Hex, "X-Hub-Signature-256", "sha256="),
    ("facebook-lead-ads", Text, Sha256, Hex, "X-Hub-Signature-256", "sha256="),
    ("clickup", Text, Sha256, Hex, "X-Signature", ""),
    ("alchemy", Text, Sha256, Hex, "X-Alchemy-Signature", ""),
    ("viber", Text, Sha256, Hex, "X-Viber-Content-Signature", ""),
    ("paystack", Text, Sha512, Hex, "x-paystack-signature", ""),
    ("onfleet", Hexed, Sha512, Hex, "X-Onfleet-Signature", ""),
    ("greenhouse", Text, Sha256, Hex, "Signature", "sha256 "),
    ("ashby", Text, Sha256, Hex, "Ashby-Signature", "sha256="),
    ("webex", Text, Sha1, Hex, "X-Spark-Signature", ""),
    ("veriff", Text, Sha256, Hex, "x-hmac-signature", ""),
    ("woocommerce", Text, Sha256, Base64, "X-WC-Webhook-Signature", ""),
    ("typeform", Text, Sha256, Base64, "Typeform-Signature", "sha256="),
    ("flutterwave-v4", Text, Sha256, Base64, "flutterwave-signature", ""),
    ("fastspring", Text, Sha256, Base64, "X-FS-Signature", ""),
    ("tally", Text, Sha256, Base64, "Tally-Signature", ""),
    ("x", Text, Sha256, Base64, "x-twitter-webhooks-signature", "sha256="),
    ("docusign", Text, Sha256, Base64, "X-DocuSign-Signature-1", ""),
    ("xero", Text, Sha256, Base64, "x-xero-signature", ""),
    ("quickbooks", Text, Sha256, Base64, "intuit-signature", ""),
    ("surveymonkey", Text, Sha1, Base64, "Sm-Signature", ""),
    ("mautic", Text, Sha256, Base64, "Webhook-Signature", ""),
    ("ably", Text, Sha256, Base64, "X-Ably-Signature", ""),
    ("aftership", Text, Sha256, Base64, "aftership-hmac-sha256", ""),
    ("aftership-returns", Text, Sha256, Base64, "as-signature-hmac-sha256", ""),
    ("airtable", Decoded, Sha256, Hex, "X-Airtable-Content-MAC", "hmac-sha256="),
    ("hookdeck", Text, Sha256, Base64, "x-hookdeck-signature", ""),
    ("help-scout", Text, Sha1, Base64, "X-HelpScout-Signature", ""),
    ("taiga", Text, Sha1, Hex, "X-TAIGA-WEBHOOK-SIGNATURE", ""),
    ("mailerlite", Text, Sha256, Hex, "Signature", ""),
    ("mailersend", Text, Sha256, Hex, "Signature", ""),
    ("acuity-scheduling", Text, Sha256, Base64, "X-Acuity-Signature", ""),
    ("formstack", Text, Sha256, Hex, "X-FS-Signature", "sha256="),
    ("attio", Text, Sha256, Hex, "Attio-Signature", ""),
    ("vapi", Text, Sha256, Hex, "x-vapi-signature", ""),
    ("planetscale", Text, Sha256, Hex, "X-PlanetScale-Signature", ""),
    ("firecrawl", Text, Sha256, Hex, "X-Firecrawl-Signature", "sha256="),
    ("jobber", Text, Sha256, Base64, "X-Jobber-Hmac-SHA256", ""),
    ("autotask", Text, Sha1, Base64, "X-Hook-Signature", "sha1="),
    ("checkr", Text, Sha256, Hex, "X-Checkr-Signature", ""),
    ("chargify", Text, Sha256, Hex, "X-Chargify-Webhook-Signature-Hmac-Sha-256", ""),
    ("autodesk", Text, Sha1, Hex, "x-adsk-signature", "sha1hash="),
    ("mongodb-atlas", Text, Sha1, Base64, "X-MMS-Signature", ""),
    ("microsoft-teams", Decoded, Sha256, Base64, "Authorization", "HMAC "),
    ("squarespace", Hexed, Sha256, Hex, "Squarespace-Signature", ""),
    ("nylas", Text, Sha256, Hex, "X-Nylas-Signature", ""),
    ("bolt", Text, Sha256, Base64, "X-Bolt-Hmac-Sha256", ""),
    ("primer", Text, Sha256, Base64, "X-Signature-Primary", ""),
    ("npm", Text, Sha256, Hex, "X-Npm-Signature", "sha256="),
    ("heroku", Text, Sha256, Base64, "Heroku-Webhook-Hmac-SHA256", ""),
    ("dub", Text, Sha256, Hex, "Dub-Signature", ""),
    ("sonarqube", Text, Sha256, Hex, "X-Sonar-Webhook-HMAC-SHA256", ""),
    ("terraform-cloud", Text, Sha512, Hex, "X-TFE-Notification-Signature", ""),
    ("btcpay", Text, Sha256, Hex, "BTCPay-Sig", "sha256="),
    ("discourse", Text, Sha256, Hex, "X-Discourse-Event-Signature", "sha256="),
    ("todoist", Text, Sha256, Base64, "X-Todoist-Hmac-SHA256", ""),
    ("yousign", Text, Sha256, Hex, "X-Yousign-Signature-256", "sha256="),
    ("fitbit", Text, Sha1, Base64, "X-Fitbit-Signature", ""),
    ("merge", Text, Sha256, Base64Url, "X-Merge-Webhook-Signature", ""),
    ("hackerone", Text, Sha256, Hex, "X-H1-Signature", "sha256="),
    ("commerce-layer", Text, Sha256, Base64, "X-CommerceLayer-Signature", ""),
    ("uber", Text, Sha256, Hex, "X-Uber-Signature", ""),
    ("fourthwall", Text, Sha256, Base64, "X-Fourthwall-Hmac-SHA256", ""),
    ("fourthwall-apps", Text, Sha256, Base64, "X-Fourthwall-Hmac-Apps-SHA256", ""),
    ("mews-pos", Text, Sha256, Base64, "X-Signature", ""),
    ("katana", Text, Sha256, Hex, "x-sha2-signature", ""),
    ("nmi", Text, Sha256, Hex, "Signature", ""),
    ("datasaur", Text, Sha256, Hex, "X-Datasaur-Signature", ""),
    ("bland", Text, Sha256, Hex, "X-Webhook-Signature", ""),
    ("leaf", Text, Sha256, Base64, "X-Leaf-Signature", ""),
    ("signable", Text, Sha256, Base64, "Signature", ""),
    ("cursor", Text, Sha256, Hex, "X-Webhook-Signature", "sha256="),
    ("grafana", Text, Sha256, Hex, "X-Grafana-Alerting-Signature", ""),
    ("storyblok", Text, Sha1, Hex, "webhook-signature", ""),
    ("doppler", Text, Sha256, Hex, "X-Doppler-Signature", "sha256="),
    ("sendbird", Text, Sha256, Hex, "X-Sendbird-Signature", ""),
    ("hmac", Text, Sha256, Hex, "X-Signature", ""),
];

/// Standard Webhooks under the names of the specification, or of Svix.
pub(super) const STANDARD: &[(&str, Key, [&str; 3])] = &[
    ("gitlab", Whsec, WEBHOOK),
    ("lithic", Whsec, WEBHOOK),
    ("liveblocks", Whsec, WEBHOOK),
    ("replicate", Whsec, WEBHOOK),
    ("loops", Whsec, WEBHOOK),
    ("granola", Whsec, WEBHOOK),
    ("fathom", Whsec, WEBHOOK),
    ("folk", Whsec, WEBHOOK),
    ("render", Whsec, WEBHOOK),
    ("gemini", Whsec, WEBHOOK),
    ("incident-io", Whsec, WEBHOOK),
    ("etsy", Whsec, WEBHOOK),
    ("make", Whsec, WEBHOOK),
    ("glean", Whsec, WEBHOOK),
    ("browserbase", Whsec, WEBHOOK),
    ("signatureapi", Whsec, WEBHOOK),
    ("increase", Whsec, WEBHOOK),
    ("autumn", Whsec, SVIX),
    ("stytch", Whsec, SVIX),
    ("vanta", Whsec, SVIX),
    ("goody", Whsec, SVIX),
    ("brex", Decoded, WEBHOOK),
    ("bigcommerce", Text, WEBHOOK),
];

pub(super) const FORMULAS: &[Formula] = &[
    ("slack", Text, 300, |s| {
        vec![
            ("X-Slack-Signature", format!("v0={}", s.hex(&[b"v0:", SECONDS.as_bytes(), b":", s.body]))),
            ("X-Slack-Request-Timestamp", SECONDS.to_owned()),
        ]
    }),
    ("zoom", Text, 300, |s| {
        vec![
            ("x-zm-signature", format!("v0={}", s.hex(&[b"v0:", SECONDS.as_bytes(), b":", s.body]))),
            ("x-zm-request-timestamp", SECONDS.to_owned()),
        ]
    }),
    ("frame-io", Text, 300, |s| {
        vec![
            ("X-Frameio-Signature", format!("v0={}", s.hex(&[b"v0:", SECONDS.as_bytes(), b":", s.body]))),
            ("X-Frameio-Request-Timestamp", SECONDS.to_owned()),
        ]
    }),
    ("zendesk", Text, 300, |s| {
        vec![
            ("X-Zendesk-Webhook-Signature", s.base64(&[RFC_3339.as_bytes(), s.body])),
            ("X-Zendesk-Webhook-Signature-Timestamp", RFC_3339.to_owned()),
        ]
    }),
    ("sinch-conversation", Text, 300, |s| {
        vec![
            ("x-sinch-webhook-signature", s.base64(&[s.body, b".01HFNONCE.", SECONDS.as_bytes()])),
            ("x-sinch-webhook-signature-timestamp", SECONDS.to_owned()),
            ("x-sinch-webhook-signature-nonce", "01HFNONCE".to_owned()),
        ]
    }),
    ("twitch", Text, 600, |s| {
        vec![
            ("Twitch-Eventsub-Message-Signature", format!("sha256={}", s.hex(&[b"m-1", RFC_3339.as_bytes(), s.body]))),
            ("Twitch-Eventsub-Message-Id", "m-1".to_owned()),
            ("Twitch-Eventsub-Message-Timestamp", RFC_3339.to_owned()),
        ]
    }),
    ("customer-io", Text, 300, |s| {
        vec![
            ("X-CIO-Signature", s.hex(&[b"v0:", SECONDS.as_bytes(), b":", s.body])),
            ("X-CIO-Timestamp", SECONDS.to_owned()),
        ]
    }),
    ("orb", Text, 300, |s| {
        vec![
            ("X-Orb-Signature", format!("v1={}", s.hex(&[b"v1:", NO_ZONE.as_bytes(), b":", s.body]))),
            ("X-Orb-Timestamp", NO_ZONE.to_owned()),
        ]
    }),
    ("metronome", Text, 300, |s| {
        vec![
            ("Metronome-Webhook-Signature", s.hex(&[HTTP_DATE.as_bytes(), b"\n", s.body])),
            ("X-Metronome-Date", HTTP_DATE.to_owned()),
        ]
    }),
    ("cashfree", Text, 300, |s| {
        vec![
            ("x-webhook-signature", s.base64(&[MILLIS.as_bytes(), s.body])),
            ("x-webhook-timestamp", MILLIS.to_owned()),
        ]
    }),
    ("samsara", Decoded, 300, |s| {
        vec![
            ("X-Samsara-Signature", format!("v1={}", s.hex(&[b"v1:", SECONDS.as_bytes(), b":", s.body]))),
            ("X-Samsara-Timestamp", SECONDS.to_owned()),
        ]
    }),
    ("airship", Text, 300, |s| {
        vec![("X-UA-SIGNATURE", s.hex(&[SECONDS.as_bytes(), b":", s.body])), ("X-UA-TIMESTAMP", SECONDS.to_owned())]
    }),
    ("front", Text, 300, |s| {
        vec![
            ("X-Front-Signature", s.base64(&[MILLIS.as_bytes(), b":", s.body])),
            ("X-Front-Request-Timestamp", MILLIS.to_owned()),
        ]
    }),
    ("klaviyo", Text, 0, |s| {
        vec![("Klaviyo-Signature", s.hex(&[s.body, SECONDS.as_bytes()])), ("Klaviyo-Timestamp", SECONDS.to_owned())]
    }),
    ("lob", Text, 0, |s| {
        vec![
            ("Lob-Signature", s.hex(&[MILLIS.as_bytes(), b".", s.body])),
            ("Lob-Signature-Timestamp", MILLIS.to_owned()),
        ]
    }),
    ("airwallex", Text, 0, |s| {
        vec![("x-signature", s.hex(&[MILLIS.as_bytes(), s.body])), ("x-timestamp", MILLIS.to_owned())]
    }),
    ("whoop", Text, 300, |s| {
        vec![
            ("X-WHOOP-Signature", s.base64(&[MILLIS.as_bytes(), s.body])),
            ("X-WHOOP-Signature-Timestamp", MILLIS.to_owned()),
        ]
    }),
    ("bamboohr", Text, 300, |s| {
        vec![
            ("X-BambooHR-Signature", s.hex(&[s.body, SECONDS.as_bytes()])),
            ("X-BambooHR-Timestamp", SECONDS.to_owned()),
        ]
    }),
    ("close", Hexed, 300, |s| {
        vec![("close-sig-hash", s.hex(&[SECONDS.as_bytes(), s.body])), ("close-sig-timestamp", SECONDS.to_owned())]
    }),
    ("crisp-hugo", Text, 300, |s| {
        vec![
            ("X-Crisp-Signature", format!("sha256={}", s.hex(&[SECONDS.as_bytes(), b".site_1.", s.body]))),
            ("X-Crisp-Timestamp", SECONDS.to_owned()),
            ("X-Crisp-Website-Id", "site_1".to_owned()),
        ]
    }),
    ("oura", Text, 0, |s| {
        vec![
            ("x-oura-signature", s.hex(&[SECONDS.as_bytes(), s.body]).to_uppercase()),
            ("x-oura-timestamp", SECONDS.to_owned()),
        ]
    }),
    ("calendly", Text, 300, |s| vec![("Calendly-Webhook-Signature", s.dotted(SECONDS, "t", "v1"))]),
    ("mux", Text, 300, |s| vec![("Mux-Signature", s.dotted(SECONDS, "t", "v1"))]),
    ("revenuecat", Text, 300, |s| vec![("X-RevenueCat-Webhook-Signature", s.dotted(SECONDS, "t", "v1"))]),
    ("cloudflare-stream", Text, 300, |s| vec![("Webhook-Signature", s.dotted(SECONDS, "time", "sig1"))]),
    ("elevenlabs", Text, 1800, |s| vec![("ElevenLabs-Signature", s.dotted(SECONDS, "t", "v0"))]),
    ("buildkite", Text, 300, |s| vec![("X-Buildkite-Signature", s.dotted(SECONDS, "timestamp", "signature"))]),
    ("tailscale", Text, 300, |s| vec![("Tailscale-Webhook-Signature", s.dotted(SECONDS, "t", "v1"))]),
    ("langfuse", Text, 300, |s| vec![("x-langfuse-signature", s.dotted(SECONDS, "t", "v1"))]),
    ("shippo", Text, 300, |s| vec![("Shippo-Auth-Signature", s.dotted(SECONDS, "t", "v1"))]),
    ("tiktok", Text, 300, |s| vec![("TikTok-Signature", s.dotted(SECONDS, "t", "s"))]),
    ("dixa", Hexed, 300, |s| vec![("X-DIXA-SIGNATURE", s.dotted(MILLIS, "t", "v1"))]),
    ("surge", Text, 300, |s| vec![("Surge-Signature", s.dotted(SECONDS, "t", "v1"))]),
    ("syntage", Text, 300, |s| vec![("X-Satws-Signature", s.dotted(SECONDS, "t", "s"))]),
    ("affirm", Text, 300, |s| {
        vec![(
            "X-Affirm-Signature",
            format!("t={SECONDS},v0={}", Hex.write(&Sha512.mac(&s.key, &[SECONDS.as_bytes(), b".", s.body]))),
        )]
    }),
    ("ghost", Text, 300, |s| {
        vec![("X-Ghost-Signature", format!("sha256={}, t={MILLIS}", s.hex(&[s.body, MILLIS.as_bytes()])))]
    }),
    ("quo", Decoded, 300, |s| {
        vec![("openphone-signature", format!("hmac;1;{MILLIS};{}", s.base64(&[MILLIS.as_bytes(), b".", s.body])))]
    }),
    ("tebex", Text, 0, |s| vec![("X-Signature", s.hex(&[hex::encode(Sha256.digest(&[s.body])).as_bytes()]))]),
    ("linkedin", Text, 0, |s| vec![("X-LI-Signature", s.hex(&[b"hmacsha256=", s.body]))]),
    ("deel", Text, 0, |s| vec![("x-deel-signature", s.hex(&[b"POST", s.body]))]),
    ("framer", Text, 0, |s| {
        vec![
            ("Framer-Signature", format!("sha256={}", s.hex(&[s.body, b"sub1"]))),
            ("Framer-Webhook-Submission-Id", "sub1".to_owned()),
        ]
    }),
    ("knock", Text, 300, |s| {
        vec![("x-knock-signature", format!("t={MILLIS},s={}", s.base64(&[MILLIS.as_bytes(), b".", s.body])))]
    }),
    ("sellsy", Text, 0, |s| vec![("X-Webhook-Signature", Hex.write(&Sha1.digest(&[&s.key, s.body])))]),
    ("recharge", Text, 0, |s| vec![("X-Recharge-Hmac-Sha256", Hex.write(&Sha256.digest(&[&s.key, s.body])))]),
    ("sumsub", Text, 0, |s| {
        vec![("X-Payload-Digest", s.hex(&[s.body])), ("X-Payload-Digest-Alg", "HMAC_SHA256_HEX".to_owned())]
    }),
];
