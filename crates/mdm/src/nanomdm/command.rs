//! Apple's MDM commands, as property lists.
//!
//! # Source
//! Apple's Device Management, "Erase a Device" and "Install a Profile"
//! (<https://developer.apple.com/documentation/devicemanagement/erase-device-command>,
//! <https://developer.apple.com/documentation/devicemanagement/install-profile-command>), as of 2026-08.

use uuid::Uuid;

/// A command for a device.
pub(super) enum Command<'a> {
    /// Erases the device at once, without warning. The PIN is for a Mac that asks for one afterwards.
    EraseDevice { pin: Option<&'a str> },
    /// Installs a configuration profile; one with the same identifier is replaced. In base64.
    InstallProfile { payload: &'a str },
}

impl Command<'_> {
    /// The command under an id, as NanoMDM takes it.
    pub(super) fn plist(&self, id: Uuid) -> String {
        let command = match self {
            Self::EraseDevice { pin: None } => string("RequestType", "EraseDevice"),
            Self::EraseDevice { pin: Some(pin) } => {
                format!("{}{}", string("RequestType", "EraseDevice"), string("PIN", pin))
            }
            Self::InstallProfile { payload } => {
                let payload = format!("<key>Payload</key><data>{}</data>", escaped(payload));
                format!("{}{payload}", string("RequestType", "InstallProfile"))
            }
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\"><dict><key>Command</key><dict>{command}</dict>{}</dict></plist>\n",
            string("CommandUUID", &id.to_string())
        )
    }
}

fn string(key: &str, value: &str) -> String {
    format!("<key>{key}</key><string>{}</string>", escaped(value))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_carries_its_id_and_what_is_text_stays_text() {
        let plist = Command::EraseDevice { pin: Some("<1&2>") }.plist(Uuid::from_u128(7));
        assert!(plist.contains("<key>RequestType</key><string>EraseDevice</string>"), "{plist}");
        assert!(plist.contains("<key>PIN</key><string>&lt;1&amp;2&gt;</string>"), "{plist}");
        let id = "<key>CommandUUID</key><string>00000000-0000-0000-0000-000000000007</string>";
        assert!(plist.contains(id), "{plist}");
    }
}
