//! Links, concurrency and back-off; remote delivery by SMTP, local delivery by the store driver
