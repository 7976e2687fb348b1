//! SMTP protocol cores: commands, replies, server session, client session; no socket, no clock
