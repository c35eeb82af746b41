//! While the store is away: nothing is answered as done, and nobody is signed out.

use crate::support::{PASSWORD, Stack};

#[actix_web::test]
async fn without_its_store_every_form_says_so_and_keeps_the_session() {
    let mut stack = Stack::redis();
    let (anna, somebody) = (stack.signed_in("anna").await, stack.visitor(0));
    let mut redis = stack.redis.take().unwrap();
    redis.kill();
    for path in ["/user/register", "/user/login", "/user/"] {
        assert_eq!(somebody.get(path).await.status, 200, "{path}");
    }
    for refused in [
        somebody.register("berta", "Berta", PASSWORD).await,
        somebody.sign_in("anna", PASSWORD).await,
        anna.get("/user/").await,
        anna.post("/user/logout", &[]).await,
    ] {
        assert_eq!((refused.status, refused.cookie()), (503, None), "{}", refused.html);
        assert!(refused.headers.contains_key("retry-after"));
        assert!(refused.html.contains("<h1>Not at the moment</h1>"), "{}", refused.html);
        assert!(!refused.html.contains("changed"), "{}", refused.html);
    }
    redis.restart(&[]);
    assert!(anna.is_signed_in().await);
    assert_eq!(somebody.register("berta", "Berta", PASSWORD).await.status, 303);
}
