//! Slashes that administrators leave in a Base URL: one at its end, so that clients write two.

use actix_web::{
    dev::ServiceRequest,
    http::{Uri, uri::PathAndQuery},
};

/// Takes slashes that say nothing out of a request's path, before it is routed any further. What
/// has been matched already, the Base URL, has none of them.
pub(crate) fn tidy(request: &mut ServiceRequest) {
    let Some(uri) = tidied(request.uri()) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

/// The address without such slashes; `None` when it has none.
fn tidied(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.ends_with('/') && !path.contains("//") {
        return None;
    }
    let mut tidy = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        tidy.push('/');
        tidy.push_str(part);
    }
    if let Some(query) = uri.query() {
        tidy.push('?');
        tidy.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(tidy.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_that_say_nothing_go_and_the_query_stays() {
        for (given, tidy) in [
            ("/a/Users", None),
            ("/a/Users?x=//", None),
            ("/a/Users/", Some("/a/Users")),
            ("/a//Users//?x=//", Some("/a/Users?x=//")),
            ("/a/%2F/", Some("/a/%2F")),
        ] {
            let found = tidied(&given.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), tidy, "{given}");
        }
    }
}
