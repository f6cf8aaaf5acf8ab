//! Resolving names to addresses that a policy lets through.

use std::io;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use super::address_policy::AddressPolicy;

/// Resolves names as the system does, and keeps to itself what the policy refuses.
pub(super) struct GuardedResolver {
    policy: Arc<AddressPolicy>,
    /// The host of the proxy, which the operator has named.
    proxy: Option<String>,
}

impl GuardedResolver {
    /// One for this policy, which does not hold for the proxy of this name.
    pub(super) fn new(policy: AddressPolicy, proxy: Option<String>) -> Self {
        Self { policy: Arc::new(policy), proxy }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let is_proxy =
            self.proxy.as_ref().is_some_and(|proxy| proxy.eq_ignore_ascii_case(name.as_str()));
        Box::pin(async move {
            let found: Vec<_> = lookup_host((name.as_str(), 0)).await?.collect();
            let (mut let_through, mut refused) = (Vec::new(), None);
            for address in found {
                match policy
                    .check(address.ip())
                    .or_else(|error| is_proxy.then_some(()).ok_or(error))
                {
                    Ok(()) => let_through.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                Some(error) if let_through.is_empty() => {
                    Err(io::Error::new(io::ErrorKind::PermissionDenied, error).into())
                }
                _ => Ok(Box::new(let_through.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_inside_leads_nowhere() {
        let resolved = |loopback, proxy: Option<&str>| {
            let policy = AddressPolicy { loopback, ..AddressPolicy::default() };
            let resolver = GuardedResolver::new(policy, proxy.map(str::to_owned));
            resolver.resolve("localhost".parse().unwrap())
        };
        for proxy in [None, Some("proxy.example.com")] {
            let Err(refused) = resolved(false, proxy).await else { panic!("it is let through") };
            assert!(refused.to_string().contains("this machine"), "{refused}");
        }
        for (loopback, proxy) in [(true, None), (false, Some("LOCALHOST"))] {
            assert!(resolved(loopback, proxy).await.is_ok_and(|mut found| found.next().is_some()));
        }
    }
}
