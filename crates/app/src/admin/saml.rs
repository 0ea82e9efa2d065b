//! An `IdP`'s SAML metadata: the three values that a portal's sign-in needs.
//!
//! Only read, never trusted: signatures of metadata are not checked, since an administrator who may
//! paste a document may as well type its values. Document type definitions are refused, and with
//! them every entity that expands.
//!
//! Source: SAML 2.0 Metadata (OASIS, 2005) §2.3.2, §2.4.1.1 and §2.4.3.

use data_encoding::{BASE64, BASE64_NOPAD};
use domain::workspace::Saml;
use roxmltree::{Document, Node};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Refusal;

/// The length of an entity id or a URL, at most, in characters (SAML metadata §2.2.1).
pub(super) const URL_CHARACTERS_MAX: usize = 1024;
/// How people are sent to the `IdP`, best first.
const BINDINGS: [&str; 2] = [
    "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
    "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
];

/// Reads the metadata of an `IdP`.
///
/// # Errors
/// [`Refusal::Malformed`] says what is missing, or where the document is broken.
pub fn from_metadata(xml: &str) -> Result<Saml, Refusal> {
    let broken = |error| Refusal::Malformed(format!("metadata_xml: not well-formed XML: {error}"));
    let document = Document::parse(xml.trim()).map_err(broken)?;
    let idp = document
        .descendants()
        .find(|node| is(node, "IDPSSODescriptor"))
        .ok_or_else(|| missing("an IDPSSODescriptor: this is not the metadata of an IdP"))?;
    let entity_id = idp
        .ancestors()
        .find(|node| is(node, "EntityDescriptor"))
        .and_then(|entity| entity.attribute("entityID"))
        .ok_or_else(|| missing("an EntityDescriptor with an entityID"))?;
    let sso_url = location(&idp)
        .ok_or_else(|| missing("a SingleSignOnService with a Location in the IDPSSODescriptor"))?;
    let certificate = signing_certificate(&idp)
        .ok_or_else(|| missing("an X509Certificate for signing in the IDPSSODescriptor"))?;
    Ok(Saml {
        entity_id: entity_id.to_owned(),
        sso_url: sso_url.to_owned(),
        certificate: certificate.to_owned(),
    })
}

fn missing(what: &str) -> Refusal {
    Refusal::Malformed(format!("metadata_xml: lacks {what}"))
}

/// Whether a node is an element of that name, under whichever prefix.
fn is(node: &Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

/// Where people are sent to: by the best binding that is offered.
fn location<'a>(idp: &Node<'a, '_>) -> Option<&'a str> {
    let offered = || idp.children().filter(|node| is(node, "SingleSignOnService"));
    let by = |binding: &str| offered().find(|node| node.attribute("Binding") == Some(binding));
    let best = BINDINGS.into_iter().find_map(by).or_else(|| offered().next())?;
    best.attribute("Location")
}

/// The first certificate that is not for encryption only.
fn signing_certificate<'a>(idp: &Node<'a, '_>) -> Option<&'a str> {
    let keys = idp.children().filter(|node| is(node, "KeyDescriptor"));
    let mut signing = keys.filter(|key| key.attribute("use") != Some("encryption"));
    signing.find_map(|key| key.descendants().find(|node| is(node, "X509Certificate"))?.text())
}

/// Where people are sent to sign in: an absolute `https` or `http` URL.
pub(super) fn sso_url(text: &str) -> Result<String, Refusal> {
    let url = super::typed("sso_url", text, URL_CHARACTERS_MAX)?;
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let absolute = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'));
    if absolute && !url.contains(char::is_whitespace) {
        Ok(url)
    } else {
        let detail = format!("sso_url: must be an https URL, got {url:?}");
        Err(Refusal::Malformed(detail))
    }
}

/// A certificate as base64 of DER, without PEM armour and line breaks.
pub(super) fn certificate(text: &str) -> Result<String, Refusal> {
    let refused = |why: &str| Refusal::Malformed(format!("certificate: {why}"));
    let armour = |line: &&str| !line.trim_start().starts_with("-----");
    let bare: String = text.lines().filter(armour).flat_map(str::split_whitespace).collect();
    if bare.is_empty() {
        return Err(refused("must not be empty"));
    }
    let bare = bare.trim_end_matches('=');
    let der = BASE64_NOPAD
        .decode(bare.as_bytes())
        .map_err(|error| refused(&format!("must be PEM, or base64 of DER: {error}")))?;
    let (rest, _) = X509Certificate::from_der(&der).map_err(|error| {
        refused(&format!("is base64, but not of an X.509 certificate in DER: {error}"))
    })?;
    if !rest.is_empty() {
        return Err(refused("something stands behind the end of the X.509 certificate"));
    }
    Ok(BASE64.encode(&der))
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/1">
  <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:KeyDescriptor use="encryption"><X509Certificate>MAAA</X509Certificate></md:KeyDescriptor>
    <md:KeyDescriptor use="signing">
      <KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>
        <X509Certificate>MIIB</X509Certificate>
      </X509Data></KeyInfo>
    </md:KeyDescriptor>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/post"/>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/redirect"/>
  </md:IDPSSODescriptor>
</md:EntityDescriptor>"#;

    #[test]
    fn metadata_gives_the_three_values() {
        let saml = from_metadata(METADATA).unwrap();
        assert_eq!(saml.entity_id, "https://idp.example/1");
        assert_eq!(saml.sso_url, "https://idp.example/redirect");
        assert_eq!(saml.certificate, "MIIB");
    }

    #[test]
    fn metadata_of_many_entities_is_read_too() {
        let many = METADATA
            .replace("<?xml version=\"1.0\"?>", "<EntitiesDescriptor>")
            .replace("</md:EntityDescriptor>", "</md:EntityDescriptor></EntitiesDescriptor>");
        assert_eq!(from_metadata(&many).unwrap().entity_id, "https://idp.example/1");
    }

    #[test]
    fn what_is_missing_is_named() {
        for (take, named) in [
            ("entityID=\"https://idp.example/1\"", "entityID"),
            ("IDPSSODescriptor", "IDPSSODescriptor"),
            ("SingleSignOnService", "SingleSignOnService"),
            ("X509Certificate>", "X509Certificate"),
            ("</md:EntityDescriptor>", "well-formed"),
        ] {
            let given = if take.contains(['=', '<']) { "" } else { "Other>" };
            let given = given.trim_end_matches(if take.ends_with('>') { "" } else { ">" });
            let error = from_metadata(&METADATA.replace(take, given)).unwrap_err();
            assert!(error.to_string().contains(named), "{take}: {error}");
        }
        let bomb = format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{}", &METADATA[21..]);
        assert!(from_metadata(&bomb).unwrap_err().to_string().contains("well-formed"));
    }

    #[test]
    fn a_certificate_is_bared() {
        const BARE: &str = include_str!("../../../testkit/idp/certificate.b64");
        let (first, rest) = BARE.split_at(64);
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\r\n{first}\r\n {rest} \n-----END CERTIFICATE-----\n"
        );
        assert_eq!(certificate(&pem).unwrap(), BARE);
        assert_eq!(certificate(BARE.trim_end_matches('=')).unwrap(), BARE);
        let more = format!("{}AAAA", BARE.trim_end_matches('='));
        let less = &BARE[..BARE.len() - 8];
        for bad in ["", " \n", "no certificate!", "AAAA", "MIIBAAAA", less, &more] {
            let error = certificate(bad).unwrap_err();
            assert_eq!(error.status(), 400, "{bad}");
            assert!(error.to_string().starts_with("certificate: "), "{error}");
        }
    }

    #[test]
    fn people_are_sent_to_a_url() {
        assert_eq!(sso_url(" https://idp.example/sso ").unwrap(), "https://idp.example/sso");
        for bad in ["", "idp.example", "/sso", "https://", "https:///x", "https://a b", "ftp://x"] {
            assert!(sso_url(bad).is_err(), "{bad}");
        }
    }
}
