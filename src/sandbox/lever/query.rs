//! Query strings as Lever reads them: repeated parameters are a union, times are milliseconds, anything
//! unknown is ignored, anything malformed is a 400 (lever-api.md 4.2 and 10).

use std::ops::RangeInclusive;

use super::error::ApiError;

const PAGE_MAX: usize = 100;

/// A decoded query string.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(raw: Option<&str>) -> Self {
        Self(form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The first value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of `name`, also where it is written `name[]`.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, _)| key.strip_suffix("[]").unwrap_or(key) == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|given| given == value)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.get(name).map(|value| value.parse().map_err(|_| malformed(name))).transpose()
    }

    /// The inclusive span between `<stem>_start` and `<stem>_end`, if either is given.
    pub(super) fn span(&self, stem: &str) -> Result<Option<RangeInclusive<i64>>, ApiError> {
        let bound = |end: &str| {
            let name = format!("{stem}_{end}");
            self.get(&name).map(|value| value.parse::<i64>().map_err(|_| malformed(&name))).transpose()
        };
        let (start, end) = (bound("start")?, bound("end")?);
        let given = start.is_some() || end.is_some();
        Ok(given.then(|| start.unwrap_or(0).max(0)..=end.unwrap_or(i64::MAX)))
    }

    /// Items a page, 1 to 100.
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else { return Ok(PAGE_MAX) };
        text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit)).ok_or_else(|| malformed("limit"))
    }
}

fn malformed(name: &str) -> ApiError {
    ApiError::bad_request(format!("Invalid value at /{name}"))
}

/// Takes one layer of percent-encoding off.
pub(super) fn decode_once(text: &str) -> String {
    form_urlencoded::parse(text.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_parameters_are_all_seen() {
        let query = Query::parse(Some("stage_id=a&stage_id=b&accessRole[]=admin"));
        assert_eq!(query.all("stage_id").collect::<Vec<_>>(), ["a", "b"]);
        assert!(query.has("accessRole", "admin"));
    }

    #[test]
    fn a_limit_out_of_range_is_refused() {
        for limit in ["0", "101", "-1", "ten"] {
            assert!(Query::parse(Some(&format!("limit={limit}"))).limit().is_err(), "{limit}");
        }
        assert_eq!(Query::default().limit().unwrap(), 100);
    }
}
