//! Services whose calls are all of one shape: a change, or a question about the state.

/// A service, one row a call: `change` or `describe`, the method, the request and the answer.
macro_rules! calls {
    ($service:ident { $($kind:ident $method:ident($request:ident) -> $answer:ident;)+ }) => {
        #[tonic::async_trait]
        impl $service for Api {
            $(
                async fn $method(
                    &self,
                    request: tonic::Request<$crate::wire::v1::$request>,
                ) -> Result<tonic::Response<$crate::wire::v1::$answer>, tonic::Status> {
                    self.$kind(request).await
                }
            )+
        }
    };
}

pub(super) use calls;
