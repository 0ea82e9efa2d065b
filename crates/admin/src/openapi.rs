//! `/openapi.json`: the API described, from the same list that makes the routes.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, http::Method};
use utoipa::{
    ToSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
        ResponseBuilder, ServerBuilder,
        extensions::ExtensionsBuilder,
        path::{HttpMethod, Operation, OperationBuilder, PathItem, PathsBuilder},
        request_body::RequestBodyBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{BASE, endpoint::Endpoint, problem, problem::Problem, roles, words};

/// Under which name the document lists the roles that may use a route.
const ROLES: &str = "x-roles";
/// The name of the one security scheme.
const TOKEN: &str = "token";

/// The list of routes.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let mut get = Endpoint::new(Method::GET, "/openapi.json", "Get this document", get).open();
    get.answer.status = 200;
    get.answer.says = "This document";
    vec![get.or_as("application/json", words::anything())]
}

async fn get() -> HttpResponse {
    HttpResponse::Ok().json(document(crate::endpoints()))
}

/// The document for some endpoints.
pub(crate) fn document(endpoints: Vec<Endpoint>) -> OpenApi {
    let mut schemas: BTreeMap<_, _> =
        endpoints.iter().flat_map(|endpoint| endpoint.schemas.iter().cloned()).collect();
    let mut more = Vec::new();
    Problem::schemas(&mut more);
    schemas.extend(more);
    schemas.insert(Problem::name().into_owned(), <Problem as utoipa::PartialSchema>::schema());
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A person's token, in the header `Authorization: Bearer <token>`"))
        .build();
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .security_scheme(TOKEN, SecurityScheme::Http(scheme));
    let mut paths = PathsBuilder::new();
    for endpoint in endpoints {
        let path = endpoint.path.clone();
        let method = method(&endpoint.method);
        paths = paths.path(path, PathItem::new(method, operation(endpoint)));
    }
    let info = InfoBuilder::new().title("Muster").version(env!("CARGO_PKG_VERSION")).description(
        Some("Provisioning for administrators: workspaces, people, devices, the record."),
    );
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([ServerBuilder::new().url(BASE).build()]))
        .security(Some([SecurityRequirement::new(TOKEN, Vec::<String>::new())]))
        .components(Some(components.build()))
        .paths(paths.build())
        .build()
}

fn method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(endpoint: Endpoint) -> Operation {
    let admits = endpoint.admits();
    let Endpoint { method, path, summary, params, body, answer, or, refuses, guarded, .. } =
        endpoint;
    let in_workspace = path.contains("{ws}");
    // What is in a workspace goes by the first word after it.
    let within = path.strip_prefix("/workspaces/{ws}/").unwrap_or(&path);
    let tag = within.split(['/', '.']).find(|part| !part.is_empty()).unwrap_or(within).to_owned();
    let described = |says: &str| {
        let mut response = ResponseBuilder::new().description(says);
        for (media_type, schema) in &answer.content {
            let content = ContentBuilder::new().schema(Some(schema.clone())).build();
            response = response.content(*media_type, content);
        }
        response.build()
    };
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(&method, &path)))
        .summary(Some(summary))
        .tag(tag)
        .response(answer.status.to_string(), described(answer.says));
    if let Some((status, says)) = or {
        operation = operation.response(status.to_string(), described(says));
    }
    for param in params {
        operation = operation.parameter(param);
    }
    if let Some((schema, required)) = body {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let body = RequestBodyBuilder::new().content("application/json", content);
        operation = operation.request_body(Some(body.required(Some(required)).build()));
    }
    let mut refused: Vec<(u16, &str)> = refuses;
    if guarded {
        refused.push((401, "The token is missing or not known; the detail says which"));
        refused.push((503, "Busy, or a view is being repaired: try again after `Retry-After`"));
        refused.push((500, "The server failed"));
        let roles = admits.roles();
        let described = format!("For the role {}.", roles::words(roles));
        let listed = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>();
        let listed = ExtensionsBuilder::new().add(ROLES, listed).build();
        operation = operation.description(Some(described)).extensions(Some(listed));
        if admits.refuses_some() {
            refused.push((403, "The token has another role, or reaches another workspace alone"));
        }
    } else {
        operation = operation.security(SecurityRequirement::default());
    }
    if guarded && !refused.iter().any(|(status, _)| *status == 400) {
        refused.push((400, "A parameter that is not known; the detail says which are"));
    }
    if in_workspace {
        refused.push((404, "Nothing by that name"));
    }
    for (status, says) in refused {
        let schema = RefOr::Ref(Ref::from_schema_name(Problem::name()));
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(says);
        operation = operation
            .response(status.to_string(), response.content(problem::MEDIA_TYPE, content).build());
    }
    operation.build()
}

/// `get_workspaces_ws_groups_id`: what generators make names of.
fn operation_id(method: &Method, path: &str) -> String {
    let method = method.as_str().to_ascii_lowercase();
    let parts = path.split(['/', '.', '-']).filter(|part| !part.is_empty());
    let parts = parts.map(|part| part.trim_matches(['{', '}']));
    [method.as_str()].into_iter().chain(parts).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn described() -> Value {
        serde_json::to_value(document(crate::endpoints())).unwrap()
    }

    #[test]
    fn the_document_describes_every_route_and_no_other() {
        let routes: BTreeSet<_> = crate::endpoints()
            .into_iter()
            .map(|it| format!("{} {}", it.method.as_str().to_ascii_lowercase(), it.path))
            .collect();
        let document = described();
        let mut paths = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            paths.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
        }
        assert_eq!(routes, paths);
        assert!(routes.len() > 40, "{}", routes.len());
    }

    #[test]
    fn it_is_openapi_3_1_and_every_reference_leads_somewhere() {
        let document = described();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(target)) = map.get("$ref") {
                        let pointer = target.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{target}");
                    }
                    open.extend(map.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
    }

    #[test]
    fn a_list_says_what_it_is_of() {
        let document = described();
        let content = "/paths/~1workspaces/get/responses/200/content/application~1json/schema/$ref";
        let name = document.pointer(content).unwrap().as_str().unwrap();
        let items = document.pointer(&name[1..]).unwrap()["properties"]["items"]["items"].clone();
        assert_eq!(items["$ref"], "#/components/schemas/ListedWorkspace");
    }

    #[test]
    fn operations_have_names_of_their_own_and_say_what_may_go_wrong() {
        let document = described();
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{name}");
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
                if path != "/openapi.json" {
                    let problem = &responses["401"]["content"][problem::MEDIA_TYPE];
                    assert!(problem.is_object(), "{method} {path}");
                }
                if operation.get("requestBody").is_some() {
                    assert!(responses.contains_key("400"), "{method} {path}");
                }
            }
        }
    }
}
