//! Objects of the organisation, lookups, snapshots; the embedded directory behind the seam where AD and LDAP will stand
