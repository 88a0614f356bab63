//! The OpenAPI document as one page of plain HTML: no script, nothing fetched from elsewhere.

use std::fmt::Write;

use serde_json::{Map, Value};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;background:#fff}\
    table{border-collapse:collapse;width:100%;margin:1rem 0}td,th{border:1px solid #bbb;padding:.4rem .6rem;text-align:left;\
    vertical-align:top}code{font-family:ui-monospace,monospace}p{margin:.4rem 0}";

/// Shows the paths, parameters and answers of a document.
#[must_use]
pub fn page(document: &Value) -> String {
    let (title, version) = (text(&document["info"]["title"]), text(&document["info"]["version"]));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\n<body>\n\
         <h1>{title} {version}</h1>\n{}\n<p>As a document for machines: <a href=\"openapi.json\">openapi.json</a></p>\n",
        paragraphs(&document["info"]["description"])
    );
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item).filter(|(_, operation)| operation["responses"].is_object()) {
            let heading = format!("{} {path}", method.to_uppercase());
            // Writing into a string does not fail.
            let _ = write!(page, "<h2><code>{}</code></h2>\n{}\n", escaped(&heading), operation_of(operation));
        }
    }
    page + "</body>\n</html>\n"
}

fn operation_of(operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameters = parameters.map(|parameter| {
        let name = format!("<code>{}</code> ({})", text(&parameter["name"]), text(&parameter["in"]));
        [name, paragraphs(&parameter["description"])]
    });
    let answers = members(&operation["responses"]).map(|(status, response)| {
        let headers = members(&response["headers"])
            .map(|(name, header)| format!("<p><code>{}</code>: {}</p>", escaped(name), text(&header["description"])));
        [escaped(status), paragraphs(&response["description"]), headers.collect()]
    });
    format!(
        "{}\n{}\n{}",
        paragraphs(&operation["description"]),
        table(["Parameter", "Meaning"], parameters),
        table(["Status", "Means", "Headers"], answers)
    )
}

fn table<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let row = |cell: &str, cells: &[String]| -> String {
        let cells: String = cells.iter().map(|text| format!("<{cell}>{text}</{cell}>")).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let head = row("th", &heads.map(str::to_owned));
    let rows: String = rows.map(|cells| row("td", &cells)).collect();
    format!("<table>\n{head}{rows}</table>")
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// A text in Markdown, as far as the document uses it: paragraphs, and code between backticks.
fn paragraphs(value: &Value) -> String {
    let paragraph = |text: &str| {
        let pieces: Vec<&str> = text.split('`').collect();
        let pieces = pieces
            .iter()
            .enumerate()
            .map(|(place, piece)| if place % 2 == 1 { format!("<code>{piece}</code>") } else { (*piece).to_owned() });
        format!("<p>{}</p>", pieces.collect::<String>())
    };
    text(value).split("\n\n").map(paragraph).collect()
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_document_says_can_not_become_markup() {
        let document = json!({
            "info": { "title": "<b>", "version": "1", "description": "one `co<de`\n\ntwo" },
            "paths": { "/<x>": { "post": { "responses": { "200": { "description": "<i>", "headers": { "<h>": {} } } } } } },
        });
        let page = page(&document);
        for part in [
            "&lt;b&gt; 1",
            "<p>one <code>co&lt;de</code></p><p>two</p>",
            "POST /&lt;x&gt;",
            "<td>200</td>",
            "&lt;h&gt;",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        assert!(["<b>", "<x>", "<i>", "<h>"].iter().all(|markup| !page.contains(markup)), "{page}");
    }
}
