//! A subscription is confirmed by asking for the URL that its signed handshake names: in the background, a few times, each counted.

use std::sync::Arc;
use std::time::Duration;

use crate::fetch::url::HttpsUrl;
use crate::fetch::{Fetcher, What};

/// How long to wait before each attempt. The provider sends its handshake again if all of them fail.
const WAITS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(500), Duration::from_secs(4), Duration::from_secs(20)];

/// Confirmations that are under way at once, of all sources.
pub(crate) const LIMIT: usize = 16;

/// Begins to confirm a subscription whose signature held, if its topic is one that the source names. Whatever becomes of it, the handshake
/// is answered: the provider waits for the confirmation, not for the answer.
pub(crate) fn begin(fetcher: &Arc<Fetcher>, source: &str, url: &str, is_expected: bool) {
    // The URL is on a host that the provider's file names; its query is the token that confirms, so it is not told.
    let url = match HttpsUrl::try_from(url) {
        Ok(url) => url,
        Err(error) => return tracing::error!(source, %error, "a subscription can't be confirmed"),
    };
    if !is_expected {
        return tracing::warn!(
            source,
            %url,
            "a subscription waits to be confirmed, and this source lists no topics: list those it expects as scheme.topics and have the \
             provider send its confirmation again; anybody can sign one of a topic of their own"
        );
    }
    let Ok(room) = Arc::clone(&fetcher.confirming).try_acquire_owned() else {
        return tracing::error!(source, %url, "too many subscriptions are being confirmed: have the provider send its confirmation again");
    };
    let (fetcher, source) = (Arc::clone(fetcher), source.to_owned());
    tokio::spawn(async move {
        confirm(&fetcher, &source, &url).await;
        drop(room);
    });
}

async fn confirm(fetcher: &Fetcher, source: &str, url: &HttpsUrl) {
    let mut last = None;
    for wait in WAITS {
        tokio::time::sleep(wait).await;
        match fetcher.get(source, What::Confirmation, url).await {
            Ok(_) => return tracing::info!(source, %url, "the subscription is confirmed"),
            Err(error) => {
                tracing::warn!(source, %url, %error, "the subscription is not confirmed yet");
                last = Some(error);
            }
        }
    }
    let error = last.map(|error| error.to_string());
    tracing::error!(source, %url, error, "the subscription is not confirmed: have the provider send its confirmation again");
}
