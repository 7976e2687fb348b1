//! Entries to objects: attributes of Active Directory, with and without Exchange's, of common LDAP schemas, and of ours.
//!
//! Guards: pure; an object comes about by way of the same text and checks as in the organisation's file, so that an entry
//! can't be what a file couldn't. An entry without an address is nobody; one with a faulty value is told with the reason.

pub(crate) mod lines;

use bridgehead_directory::{Name, Object, StoredPart, quote};
use bridgehead_ldap::Entry;
use bridgehead_mail::Address;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// An object.
    Object(Box<Object>),
    /// A part of the organisation that several servers share: its text.
    Part(String),
    /// Nobody who gets mail, and no configuration.
    Nobody,
    /// Something that can't be used, and why.
    Fault(String),
}

/// objectGUID as text (MS-DTYP §2.3.4.3); none if it isn't one.
#[must_use]
pub fn guid_text(octets: &[u8]) -> Option<Box<str>> {
    let &[a, b, c, d, e, f, g, h, ..] = octets else {
        return None;
    };
    let mut ordered: [u8; 16] = octets.try_into().ok()?;
    ordered
        .iter_mut()
        .zip([d, c, b, a, f, e, h, g])
        .for_each(|(to, from)| *to = from);
    Some(uuid_text(&ordered))
}

/// A UUID as text (RFC 4122 §3).
#[must_use]
pub fn uuid_text(octets: &[u8; 16]) -> Box<str> {
    let mut text = String::with_capacity(36);
    for (number, octet) in octets.iter().enumerate() {
        if matches!(number, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{octet:02x}"));
    }
    text.into_boxed_str()
}

/// The attributes that are asked for.
pub(crate) const ATTRIBUTES: &[&str] = &[
    "objectClass",
    "objectGUID",
    "entryUUID",
    "isDeleted",
    "uSNChanged",
    "sAMAccountName",
    "uid",
    "cn",
    "mail",
    "proxyAddresses",
    "mailAlternateAddress",
    "mailLocalAddress",
    "bridgeheadAddress",
    "bridgeheadServer",
    "msExchHomeServerName",
    "mailHost",
    "targetAddress",
    "mailRoutingAddress",
    "altRecipient",
    "deliverAndRedirect",
    "member",
    "uniqueMember",
    "rfc822MailMember",
    "managedBy",
    "owner",
    "reportToOriginator",
    "reportToOwner",
    "hideDLMembership",
    "authOrig",
    "unauthOrig",
    "dLMemSubmitPerms",
    "dLMemRejectPerms",
    "msExchRequireAuthToSendTo",
    "msExchEnableModeration",
    "msExchModeratedByLink",
    "msExchDynamicDLFilter",
    "submissionContLength",
    "delivContLength",
    "msExchRecipLimit",
    "userAccountControl",
    "displayName",
    "givenName",
    "sn",
    "department",
    "company",
    "o",
    "physicalDeliveryOfficeName",
    "title",
    "bridgeheadKind",
    "bridgeheadSetting",
    "bridgeheadText",
    "serviceClassName",
    "serviceBindingInformation",
];

/// The service that our entries in Active Directory are of.
pub(crate) const SERVICE: &str = "bridgehead";

/// Which entries are recipients.
pub(crate) const RECIPIENTS: &str = "(|(objectClass=person)(objectClass=account)\
    (objectClass=contact)(objectClass=group)(objectClass=groupOfNames)\
    (objectClass=groupOfUniqueNames)(objectClass=nisMailAlias)\
    (objectClass=inetLocalMailRecipient)(objectClass=msExchDynamicDistributionList)\
    (objectClass=bridgeheadRecipient))";

/// Which entries may be either, also after they were deleted: then only their classes are left.
pub(crate) const ANY: &str = "(|(objectClass=person)(objectClass=account)\
    (objectClass=contact)(objectClass=group)(objectClass=groupOfNames)\
    (objectClass=groupOfUniqueNames)(objectClass=nisMailAlias)\
    (objectClass=inetLocalMailRecipient)(objectClass=msExchDynamicDistributionList)\
    (objectClass=bridgeheadRecipient)(objectClass=bridgeheadObject)\
    (objectClass=serviceConnectionPoint))";

/// Which entries are configuration, in OpenLDAP and in Active Directory.
pub(crate) const CONFIGURATION: &str = "(objectClass=bridgeheadObject)\
    (&(objectClass=serviceConnectionPoint)(serviceClassName=bridgehead))";

/// What an entry is.
#[must_use]
pub fn map(entry: &Entry, id: &str) -> Mapped {
    let classes = Classes::of(entry);
    if classes.has(&["bridgeheadobject"]) {
        return object_or_part(texts(entry, "bridgeheadText").concat());
    }
    if classes.has(&["serviceconnectionpoint"]) {
        return match entry.text("serviceClassName") {
            Some(SERVICE) => {
                object_or_part(lines::joined(texts(entry, "serviceBindingInformation")))
            }
            _ => Mapped::Nobody,
        };
    }
    let addresses = match addresses(entry) {
        Ok(addresses) if addresses.is_empty() => return Mapped::Nobody,
        Ok(addresses) => addresses,
        Err(reason) => return Mapped::Fault(reason),
    };
    if classes.has(&["computer"]) {
        return Mapped::Nobody;
    }
    let mut text = Text::default();
    let kind = kind(entry, &classes);
    text.header(kind);
    match kind {
        "dynamic-group" => dynamic_group(entry, &mut text),
        "group" => group(entry, &mut text),
        "contact" => contact(entry, &addresses, &mut text),
        _ => mailbox(entry, &mut text),
    }
    text.string("name", name(entry, id).as_str());
    text.strings("addresses", &addresses);
    restrictions(entry, &mut text);
    for setting in texts(entry, "bridgeheadSetting") {
        text.line(&setting);
    }
    object(&text.out)
}

fn object_or_part(text: String) -> Mapped {
    match StoredPart::is_one(&text) {
        true => Mapped::Part(text),
        false => object(&text),
    }
}

/// What kind of recipient it is: what it says itself, else what its classes say.
fn kind(entry: &Entry, classes: &Classes) -> &'static str {
    let said = entry.text("bridgeheadKind");
    let known = ["mailbox", "group", "contact", "dynamic-group"];
    if let Some(kind) = known.into_iter().find(|kind| said == Some(kind)) {
        return kind;
    }
    let groups = [
        "group",
        "groupofnames",
        "groupofuniquenames",
        "nismailalias",
    ];
    if classes.has(&["msexchdynamicdistributionlist"]) {
        "dynamic-group"
    } else if classes.has(&groups) {
        "group"
    } else if target(entry).is_some() || classes.has(&["contact"]) {
        "contact"
    } else {
        "mailbox"
    }
}

fn contact(entry: &Entry, addresses: &[String], text: &mut Text) {
    let settings = texts(entry, "bridgeheadSetting");
    let is_target = |line: &String| line.split('=').next().map(str::trim) == Some("target");
    if settings.iter().any(is_target) {
        return;
    }
    // One without an address elsewhere of its own: its mail attribute is that.
    let only = addresses.first().map(String::as_str);
    text.string("target", target(entry).or(only).unwrap_or_default());
}

fn object(text: &str) -> Mapped {
    match Object::read(text, "") {
        Ok(object) => Mapped::Object(Box::new(object)),
        Err(reason) => Mapped::Fault(reason),
    }
}

struct Classes(Vec<String>);

impl Classes {
    fn of(entry: &Entry) -> Self {
        let classes = texts(entry, "objectClass");
        Self(
            classes
                .iter()
                .map(|class| class.to_ascii_lowercase())
                .collect(),
        )
    }

    fn has(&self, any: &[&str]) -> bool {
        self.0.iter().any(|class| any.contains(&class.as_str()))
    }
}

/// The values of an attribute that are text. A part of a range counts as the attribute (MS-ADTS §3.1.1.3.1.3.3).
fn texts(entry: &Entry, attribute: &str) -> Vec<String> {
    let of = |name: &str| {
        let base = name.split(';').next().unwrap_or_default();
        base.eq_ignore_ascii_case(attribute)
    };
    let attributes = entry.attributes.iter().filter(|(name, _)| of(name));
    let values = attributes.flat_map(|(_, values)| values);
    values
        .filter_map(|value| std::str::from_utf8(value).ok().map(ToOwned::to_owned))
        .collect()
}

/// All addresses, the primary one first, each once.
fn addresses(entry: &Entry) -> Result<Vec<String>, String> {
    let mut all: Vec<String> = Vec::new();
    let mut add = |attribute: &str, value: &str, first: bool| -> Result<(), String> {
        let address = Address::parse(value)
            .map_err(|error| format!("{attribute}: \"{value}\": {error}"))?
            .to_string();
        if all.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
            return Ok(());
        }
        match first {
            true => all.insert(0, address),
            false => all.push(address),
        }
        Ok(())
    };
    for attribute in [
        "mail",
        "mailAlternateAddress",
        "mailLocalAddress",
        "bridgeheadAddress",
    ] {
        for value in texts(entry, attribute) {
            add(attribute, &value, false)?;
        }
    }
    let proxies = texts(entry, "proxyAddresses");
    for proxy in &proxies {
        match proxy.split_once(':') {
            // In upper case: the primary one. `mail` may be of an older state.
            Some(("SMTP", _)) => {}
            Some((kind, value)) if kind.eq_ignore_ascii_case("smtp") => {
                add("proxyAddresses", value, false)?;
            }
            // Addresses of other kinds, as X400 and sip.
            Some(_) => {}
            None => add("proxyAddresses", proxy, false)?,
        }
    }
    let primary = proxies.iter().find_map(|proxy| proxy.strip_prefix("SMTP:"));
    if let Some(primary) = primary {
        let is = |known: &String| known.eq_ignore_ascii_case(primary);
        if let Some(at) = all.iter().position(is) {
            let primary = all.remove(at);
            all.insert(0, primary);
        } else {
            let address = Address::parse(primary)
                .map_err(|error| format!("proxyAddresses: \"{primary}\": {error}"))?;
            all.insert(0, address.to_string());
        }
    }
    Ok(all)
}

/// The address elsewhere, as `SMTP:x@y`.
fn target(entry: &Entry) -> Option<&str> {
    let target = entry.text("targetAddress")?;
    match target.split_once(':') {
        Some((kind, address)) if kind.eq_ignore_ascii_case("smtp") => Some(address),
        Some(_) => None,
        None => Some(target),
    }
}

/// The name by which the object is known: an account name where there is one; in letters that a name can have.
fn name(entry: &Entry, id: &str) -> String {
    let account = ["sAMAccountName", "uid", "cn"];
    let written = account.iter().find_map(|attribute| entry.text(attribute));
    let fits = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let mut name = String::new();
    for letter in written.unwrap_or_default().chars() {
        let letter = if fits(letter) { letter } else { '-' };
        if name.len() + letter.len_utf8() > 64 {
            break;
        }
        name.push(letter);
    }
    let name = name.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    match Name::parse(name) {
        Some(_) => name.to_owned(),
        None => id.to_owned(),
    }
}

/// The server that has the mailbox: as it says itself, the last part of the name in Active Directory
/// (`/o=Example/ou=First/cn=Configuration/cn=Servers/cn=EX1`), or the mail host of inetLocalMailRecipient. What can't be a name is none:
/// a mailbox without a home still gets its mail.
fn home(entry: &Entry) -> Option<&str> {
    let exchange = entry.text("msExchHomeServerName");
    let exchange = exchange.and_then(|place| place.rsplit('/').next());
    let exchange = exchange.and_then(|last| last.split_once('='));
    let exchange =
        exchange.and_then(|(kind, name)| kind.eq_ignore_ascii_case("cn").then_some(name));
    let said = entry.text("bridgeheadServer").or(exchange);
    said.or(entry.text("mailHost"))
        .filter(|name| Name::parse(name).is_some())
}

fn mailbox(entry: &Entry, text: &mut Text) {
    let settings = texts(entry, "bridgeheadSetting");
    let is_server = |line: &String| line.split('=').next().map(str::trim) == Some("server");
    if let Some(home) = home(entry).filter(|_| !settings.iter().any(is_server)) {
        text.string("server", home);
    }
    let mut forward = texts(entry, "altRecipient");
    forward.extend(texts(entry, "mailRoutingAddress"));
    text.list("forward-to", &forward);
    text.flag("keep-copy", entry.text("deliverAndRedirect"));
    // MS-ADTS §2.2.16: ADS_UF_ACCOUNT_DISABLE.
    const DISABLED: u32 = 2;
    let control = entry.text("userAccountControl");
    let control = control.and_then(|control| control.parse::<i64>().ok());
    if control.is_some_and(|control| control & i64::from(DISABLED) != 0) {
        text.line("disabled = true");
    }
    for (key, attribute) in [
        ("display-name", "displayName"),
        ("given-name", "givenName"),
        ("surname", "sn"),
        ("department", "department"),
        ("office", "physicalDeliveryOfficeName"),
        ("title", "title"),
    ] {
        text.words(key, entry.text(attribute));
    }
    text.words("company", entry.text("company").or(entry.text("o")));
    text.kibibytes("max-send-size", entry.text("submissionContLength"));
    let recipients = entry.text("msExchRecipLimit");
    let recipients = recipients.and_then(|count| count.parse::<u32>().ok());
    if let Some(recipients) = recipients.filter(|count| (1..=1_000_000).contains(count)) {
        text.line(&format!("max-send-recipients = {recipients}"));
    }
}

fn group(entry: &Entry, text: &mut Text) {
    let mut members = texts(entry, "member");
    members.extend(texts(entry, "uniqueMember"));
    members.extend(texts(entry, "rfc822MailMember"));
    text.list("members", &members);
    list_keys(entry, text);
}

fn dynamic_group(entry: &Entry, text: &mut Text) {
    if let Some(filter) = entry.text("msExchDynamicDLFilter") {
        text.string("filter", filter);
    }
    list_keys(entry, text);
}

/// What both kinds of groups have.
fn list_keys(entry: &Entry, text: &mut Text) {
    if let Some(owner) = entry.text("managedBy").or(entry.text("owner")) {
        text.string("owner", owner);
    }
    let flag = |attribute: &str| entry.text(attribute).map(is_true);
    match (flag("reportToOriginator"), flag("reportToOwner")) {
        (Some(false), Some(true)) => text.string("report-to", "owner"),
        (Some(false), _) => text.string("report-to", "nobody"),
        _ => {}
    }
    text.flag("hidden-members", entry.text("hideDLMembership"));
    if flag("msExchEnableModeration") == Some(true) {
        text.list("moderators", &texts(entry, "msExchModeratedByLink"));
    }
}

/// Who may send to it, and how much.
fn restrictions(entry: &Entry, text: &mut Text) {
    let both = |one: &str, other: &str| {
        let mut all = texts(entry, one);
        all.extend(texts(entry, other));
        all
    };
    text.list("accept-from", &both("authOrig", "dLMemSubmitPerms"));
    text.list("reject-from", &both("unauthOrig", "dLMemRejectPerms"));
    text.flag(
        "authenticated-senders-only",
        entry.text("msExchRequireAuthToSendTo"),
    );
    text.kibibytes("max-receive-size", entry.text("delivContLength"));
}

fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

/// The text of an object being written.
#[derive(Default)]
struct Text {
    out: String,
}

impl Text {
    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn header(&mut self, kind: &str) {
        self.line(&format!("[[{kind}]]"));
    }

    fn string(&mut self, key: &str, value: &str) {
        self.out.push_str(key);
        self.out.push_str(" = ");
        quote(value, &mut self.out);
        self.out.push('\n');
    }

    /// Words for people: what can't be in them is left out, since nothing depends on it.
    fn words(&mut self, key: &str, value: Option<&str>) {
        let words: String = value
            .unwrap_or_default()
            .chars()
            .filter(|letter| !letter.is_control())
            .take(256)
            .collect();
        if !words.trim().is_empty() {
            self.string(key, words.trim());
        }
    }

    fn strings(&mut self, key: &str, values: &[String]) {
        self.out.push_str(key);
        self.out.push_str(" = [");
        for value in values {
            quote(value, &mut self.out);
            self.out.push_str(", ");
        }
        self.out.push_str("]\n");
    }

    fn list(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            self.strings(key, values);
        }
    }

    fn flag(&mut self, key: &str, value: Option<&str>) {
        if value.is_some_and(is_true) {
            self.line(&format!("{key} = true"));
        }
    }

    fn kibibytes(&mut self, key: &str, value: Option<&str>) {
        let size = value.and_then(|value| value.parse::<u32>().ok());
        if let Some(size) = size.filter(|size| *size > 0) {
            self.line(&format!("{key} = \"{size} KiB\""));
        }
    }
}

#[cfg(test)]
mod tests;
