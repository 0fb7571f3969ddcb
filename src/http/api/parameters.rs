//! The parameters of a URL: known names only, each once. A parameter that is not known may be an address in the wrong place, so it is
//! never repeated.

use std::collections::BTreeMap;

use super::problem::Problem;

/// The parameters that were given, by name.
///
/// # Errors
/// 400 when one is not among `known` or stands twice.
pub fn parameters(query: Option<&str>, known: &[&'static str]) -> Result<BTreeMap<&'static str, String>, Problem> {
    let mut given = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let Some(name) = known.iter().find(|known| **known == name) else {
            let detail = format!("a parameter of the URL is not known; there is {}", known.join(", "));
            return Err(Problem::new(http::StatusCode::BAD_REQUEST, "bad_parameter", detail));
        };
        if given.insert(*name, value.into_owned()).is_some() {
            return Err(Problem::field(*name, "is given twice"));
        }
    }
    Ok(given)
}

/// A whole number within bounds; `otherwise` when it is not given.
///
/// # Errors
/// 400 naming the parameter.
pub fn number(
    given: &BTreeMap<&'static str, String>,
    name: &'static str,
    bounds: std::ops::RangeInclusive<i64>,
    otherwise: i64,
) -> Result<i64, Problem> {
    let Some(text) = given.get(name) else { return Ok(otherwise) };
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.ok_or_else(|| Problem::field(name, format!("must be a number from {} to {}", bounds.start(), bounds.end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_parameter_is_refused_and_not_repeated() {
        let given = parameters(Some("team=T&stream=a%20b"), &["team", "stream"]).unwrap();
        assert_eq!((given["team"].as_str(), given["stream"].as_str()), ("T", "a b"));
        let wrong = parameters(Some("who%40a.example=1"), &["team"]).unwrap_err();
        assert_eq!(
            (wrong.reason, wrong.detail.as_str()),
            ("bad_parameter", "a parameter of the URL is not known; there is team")
        );
        assert_eq!(parameters(Some("team=A&team=B"), &["team"]).unwrap_err().field.as_deref(), Some("team"));
        let given = parameters(Some("limit=7"), &["limit"]).unwrap();
        assert_eq!(number(&given, "limit", 1..=10, 5).unwrap(), 7);
        assert_eq!(number(&given, "limit", 8..=10, 9).unwrap_err().detail, "must be a number from 8 to 10");
    }
}
