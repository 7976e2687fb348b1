//! Reading and writing messages: headers, trace fields, delivery reports
