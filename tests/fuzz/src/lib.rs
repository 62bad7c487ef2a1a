//! What the fuzz targets share: messages as hickory-proto reads them ([`oracle`]), and a cluster that is asked by the
//! responder and by the agent's own way from its objects ([`site`]).

pub mod oracle;
pub mod site;
