//! Texts for each detector, those with what it is for and those with what
//! only looks like it.
//!
//! Secrets are made up, and put together here, so that none stands in a file.

/// Characters that look random and are the same each time.
fn fake(length: usize) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut seed = 7u32;
    let mut letter = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        letters[(seed >> 16) as usize % letters.len()] as char
    };
    (0..length).map(|_| letter()).collect()
}

/// A token with the checksum of GitHub and npm.
fn checked(prefix: &str) -> String {
    let body = fake(30);
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc % 2 == 0 { crc / 2 } else { (crc / 2) ^ 0xEDB8_8320 };
        }
    }
    let digits: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let digit = |place: u32| digits[(!crc / 62u32.pow(place)) as usize % 62];
    format!("{prefix}{body}{}", (0..6).rev().map(digit).collect::<String>())
}

/// Texts in which what is to go stands between `⟦` and `⟧`.
pub(crate) fn cases() -> Vec<(&'static str, Vec<String>)> {
    let (token, jwt) = (fake, format!("eyJhbGciOiJub25lIn0.eyJ{}.{}", fake(20), fake(43)));
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----";
    vec![
        (
            "aws-secret-access-key",
            vec![
                format!("AKIA{},⟦{}/⟧", "IOSFODNN7EXAMPLE", token(39)),
                format!("AKIA{} {}", "IOSFODNN7EXAMPLE", "0123456789abcdef0123456789abcdef01234567"),
                format!("ASIA{},{}", "IOSFODNN7EXAMPLE", "usr/local/share/doc/packages/something/xy"),
            ],
        ),
        (
            "aws-session-token",
            vec![
                format!("token ⟦IQoJb3JpZ2luX2Vj{}⟧", token(300)),
                format!("X-Amz-Security-Token=⟦FwoGZXIvYXdz{}%2F{}%3D⟧&x=1", token(150), token(150)),
                format!("IQoJb3JpZ2luX2Vj{}", token(40)),
                format!("x{}IQoJb3JpZ2luX2Vj{}", "y", token(300)),
            ],
        ),
        (
            "github-token",
            vec![
                format!("git clone https://x:⟦{}⟧@github.com/", checked("ghp_")),
                format!("⟦{}⟧", checked("ghs_")),
                format!("{}0", checked("gho_")),
                format!("ghp_{}", token(36)),
                format!("x{}", checked("ghp_")),
                // A refresh token is longer.
                format!(r#"{{"refresh_token":"⟦ghr_{}⟧"}}"#, token(76)),
                format!("ghr_{} ghp_{}", token(75), token(76)),
                format!("ghr_{}", "x".repeat(76)),
            ],
        ),
        ("github-app-token", vec![format!("token ⟦ghs_12345_{jwt}⟧"), format!("ghs_12345_{}", token(40))]),
        (
            "github-fine-grained-token",
            vec![
                format!("⟦github_pat_{}_{}⟧", token(22), token(59)),
                format!("github_pat_{}_{}", token(22), token(40)),
            ],
        ),
        (
            "gitlab-token",
            vec![
                format!("PRIVATE-TOKEN: ⟦glpat-{}⟧", token(20)),
                format!("⟦glrt-{}.01.{}⟧", token(27), "1a0b2c3d4"),
                format!("⟦glrt-t1_{}.{}⟧.", token(27), "1a0b2c3d4"),
                format!("CI_JOB_TOKEN ⟦glcbt-{jwt}⟧"),
                format!("⟦glpat-{}⟧.git and ⟦glft-{}⟧. Next", token(20), token(20)),
                "glpat-XXXXXXXXXXXXXXXXXXXX".into(),
                format!("⟦acme-glpat-{}⟧", token(20)),
                "glpat-your-token".into(),
            ],
        ),
        (
            "slack-token",
            vec![
                format!("⟦xoxb-{}-{}-{}⟧", "123456789012", "1234567890123", token(24)),
                format!("⟦xapp-1-A{}-{}-{}⟧", "0123456789", "123456789012", token(64)),
                format!("d=⟦xoxd-{}%2F{}%3D⟧; x=1", token(40), token(40)),
                "xoxb-is-the-prefix".into(),
            ],
        ),
        (
            "stripe-key",
            vec![
                format!("⟦sk_live_{}⟧", token(24)),
                format!("⟦rk_test_{}⟧", token(99)),
                format!("⟦sk_org_live_{}⟧ ⟦sk_org_{}⟧", token(40), token(40)),
                format!("pk_live_{}", token(24)),
                format!("task_live_{}", token(24)),
            ],
        ),
        (
            "google-key",
            vec![
                format!("?key=⟦AIza{}⟧", token(35)),
                format!("⟦ya29.{}⟧", token(120)),
                format!("⟦GOCSPX-{}⟧", token(28)),
                format!("⟦AQ.Ab{}-_⟧", token(46)),
                format!("AIza{}", token(20)),
                "FAQ.About".into(),
            ],
        ),
        (
            "openai-key",
            vec![
                format!("⟦sk-proj-{}T3BlbkFJ{}⟧", &token(40)[20..], token(20)),
                format!("key=⟦sk-svcacct-{}-T3BlbkFJ_{}⟧ ", &token(50)[20..], token(20)),
                format!("⟦sk-{}T3BlbkFJ{}⟧.", &token(40)[20..], token(20)),
                "sk-proj-your-key-goes-here-please".into(),
                format!("sk-proj-{}", token(8)),
            ],
        ),
        (
            "npm-token",
            vec![
                format!("_authToken=⟦{}⟧", checked("npm_")),
                format!("npm_{}", token(36)),
                "npm_config_registry".into(),
            ],
        ),
        (
            "pypi-token",
            vec![
                format!("⟦pypi-AgEIcHlwaS5vcmc{}⟧", token(120)),
                "pypi-AgEIcHlwaS5vcmc".into(),
                "pypi-Aggregate".into(),
            ],
        ),
        (
            "jwt",
            vec![
                format!("session={jwt}").replace("eyJhbGci", "⟦eyJhbGci") + "⟧",
                format!("nextToken eyJ{}", token(60)),
                format!("eyJ{}.eyJ{}.{}", token(20), token(20), token(20)),
            ],
        ),
        (
            "private-key",
            vec![
                format!("key: ⟦{pem}⟧ end"),
                format!("⟦{}⟧", pem.replace('\n', "\\n")),
                "⟦-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc⟧".into(),
                "-----BEGIN PUBLIC KEY-----".into(),
                "PRIVATE KEY".into(),
            ],
        ),
        (
            "authorization",
            owned(&[
                "Authorization: Basic ⟦YWxpY2U6c2VjcmV0⟧",
                r#"{"authorization":"Bearer ⟦abc.def⟧"}"#,
                r#"Authorization: Digest ⟦username="bob", response="00"⟧"#,
                "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261124/eu/s3/aws4_request, Signature=⟦fe5f80⟧",
                "authorization.k8s.io/decision: allow",
                "authorization: missing header",
                "Authorization: Bearer ****",
            ]),
        ),
        (
            "cookie",
            owned(&[
                "Cookie: ⟦sid=8d2a78c0; theme=dark⟧",
                r#"curl -H 'Cookie: ⟦sid=8d2a78c0⟧' x"#,
                r#"{"set-cookie":"⟦a=b; Path=/⟧"}"#,
                "cookie: expired",
            ]),
        ),
        (
            "user-password",
            owned(&[
                "app:⟦hunter2⟧@tcp(db1:3306)/shop",
                "scott/⟦tiger⟧@//db1:1521/x",
                "app:⟦p@ss⟧@unix(/run/mysql.sock)/shop",
                "bob@tcp(db1)",
            ]),
        ),
        (
            "credentials",
            vec![
                format!("curl -H 'bearer ⟦{}⟧'", token(32)),
                "sent Basic ⟦YWxpY2U6c2VjcmV0⟧ to".into(),
                "Basic authentication failed".into(),
                "bearer tokens_are_not_supported_here".into(),
            ],
        ),
        (
            "url-password",
            owned(&[
                "postgres://app:⟦hunter2⟧@db1:5432/shop",
                "amqp://app:⟦p@ss⟧@mq/",
                "jdbc:mysql://root:⟦a:b⟧@127.0.0.1/x",
                "https://example.com:443/@here",
                "https://user@example.com/",
                "redis://:⟦secret⟧@cache:6379",
                "mongodb://app:***@db/",
                "http://a/b:c@d",
            ]),
        ),
        (
            "password",
            owned(&[
                "password=⟦hunter2⟧",
                "password=⟦correct-horse(1)⟧&user=bob",
                r#"{"user":"bob","passwd" : "⟦a b\"c⟧"}"#,
                r#"{\"password\":\"⟦hunter2⟧\"}"#,
                "Server=db;User Id=sa;Pwd=⟦p4⟧;",
                "DB_PASSWORD='⟦it is⟧'",
                "MYSQL_ROOT_PASSWORD: ⟦Hunter2⟧",
                "password: incorrect",
                "Failed password for bob from 192.0.2.1",
                "userPassword: ⟦{SSHA}abc⟧",
                "password=⟦$ecret⟧",
                "password=⟦/x⟧",
                r#"{"password":{"type":"string"}}"#,
                "PWD=/home/bob ; USER=root",
                "password=null",
                "password=********",
                "password=$PASSWORD",
                "password=${PASSWORD}",
                "passwordResetRequired=false",
                "keyword=abc",
            ]),
        ),
        (
            "password-option",
            owned(&[
                "mysql --password ⟦hunter2⟧ -u bob",
                "vault login --token ⟦abc⟧",
                "tool --pass '⟦a b⟧'",
                "tool --password --verbose",
                "tool --passive yes",
            ]),
        ),
        (
            "sql-password",
            owned(&[
                "CREATE USER bob IDENTIFIED BY '⟦it''s⟧'",
                "ALTER ROLE app WITH LOGIN PASSWORD '⟦hunter2⟧' VALID UNTIL 'x'",
                "SET PASSWORD = PASSWORD('⟦secret⟧')",
                "SELECT PASSWORD ('⟦secret⟧')",
                "CREATE USER bob IDENTIFIED BY *****",
                "IDENTIFIED WITH mysql_native_password AS '⟦*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29⟧'",
                "SELECT a AS 'b'",
            ]),
        ),
        (
            "keyed-secret",
            vec![
                "client_secret=⟦abc⟧".into(),
                "AWS_SECRET_ACCESS_KEY=⟦abcd⟧".into(),
                format!("api_key=⟦{}⟧", token(32)),
                format!(r#"{{"access_token":"⟦{}⟧","token_type":"bearer"}}"#, token(40)),
                format!("x-vault-token: ⟦{}⟧", token(24)),
                format!("?sv=2022&sig=⟦{}%3D⟧", token(43)),
                format!("nextToken={}", token(32)),
                format!("clientRequestToken: {}", token(32)),
                "access_key=AKIAIOSFODNN7EXAMPLE".into(),
                "token=58973BF3-95F4-4F76-9D48-DCDFEAA1A0CF".into(),
                "\"utf_8_sig\": \"UTF-8-SIG\"".into(),
                "arn:aws:secretsmanager:eu-central-1:111122223333:secret:payments-a1B2c3".into(),
                "token: expired".into(),
                "secret \"db-creds\" not found".into(),
            ],
        ),
        (
            "email",
            owned(&[
                "⟦bob@example.com⟧谢谢您",
                "⟦bob@example.com⟧--------",
                "⟦bob@example.com⟧-- and ⟦ann@example.org⟧—and ⟦eve@mail.example.net⟧-old",
                "⟦bob@例え.テスト⟧ ⟦bob@xn--e1afmkfd.xn--p1ai⟧",
                "to ⟦bob@example.com⟧.",
                "⟦山田@example.org⟧",
                "⟦zoë.o'neill+x@mail.example.co.uk⟧",
                "?email=⟦bob%40example.com⟧&x",
                "user='⟦bob@example.com⟧'",
                "“⟦bob@example.com⟧”",
                "mailto:⟦a.b@xn--bcher-kva.example⟧",
                "root@localhost",
                "git@10.0.0.1",
                "nginx@sha256:0123",
                "react@18.2.0",
                "getty@tty1.service",
                "chacha20-poly1305@openssh.com",
                "icon@2x.png",
                "@example.com",
                "a..b@-example.com",
            ]),
        ),
        (
            "payment-card",
            owned(&[
                "card ⟦4111111111111111⟧.",
                "⟦4111 1111 1111 1111⟧",
                "⟦4222222222222⟧",
                "⟦3782-822463-10005⟧",
                "⟦378282246310005⟧",
                "⟦2223003122003222⟧",
                "⟦5555555555554444⟧",
                "⟦6011111111111117⟧",
                "⟦30569309025904⟧",
                "⟦3530111333300000⟧",
                "⟦6200000000000005⟧",
                "⟦6759649826438453⟧",
                "⟦4000000000000000006⟧",
                "4111111111111112",
                "4111 1111-1111 1111",
                "41 1111 1111 1111 11",
                "1795544351505043878",
                "0.4111111111111111",
                "4111111111111111.5",
                "arn:aws:iam::501800000009:root",
                "a4111111111111111",
                "9b1f282e-4067-4358-8ee2-501800000009",
            ]),
        ),
        (
            "iban",
            owned(&[
                "⟦GB82WEST12345698765432⟧",
                "to ⟦DE89 3704 0044 0532 0130 00⟧ now",
                "⟦gb82west12345698765432⟧",
                "⟦NO9386011117947⟧,",
                "⟦MT84MALT011000012345MTLCAST001S⟧",
                "⟦BE68 5390 0754 7034⟧ that they were told",
                "GB82WEST12345698765433",
                "GB82WEST1234569876543",
                "ZZ82WEST12345698765432",
                "x-GB82WEST12345698765432",
            ]),
        ),
        (
            "us-ssn",
            owned(&[
                "SSN: ⟦078-05-1120⟧",
                "⟦899 01 0001⟧.",
                "⟦001-01-9999⟧",
                "000-12-3456",
                "666-12-3456",
                "900-12-3456",
                "123-00-4567",
                "123-45-0000",
                "123-45 6789",
                "123456789",
                "1123-45-6789",
                "123-45-67890",
                "2026-11-2012",
            ]),
        ),
        (
            "phone",
            owned(&[
                "call ⟦+1 202-555-0143⟧",
                "⟦+442079460958⟧",
                "⟦+49 (0)30 901820⟧",
                "⟦+1-202-555-0143x12⟧",
                "+1 102-555-0143",
                "+0100",
                "2026-11-20T08:00:00+10:00",
                "+999 123456789",
                "a+14155552671",
                "+1234",
            ]),
        ),
        (
            "phone-national",
            owned(&[
                "at ⟦202-555-0143⟧ or",
                "⟦(202) 555-0143⟧",
                "⟦1-800-555-0199⟧",
                "⟦202.555.0143⟧",
                "⟦020 7946 0958⟧",
                "⟦01 23 45 67 89⟧",
                "⟦030/90182045⟧",
                "⟦0049 30 901820⟧",
                "⟦600 123 456⟧",
                "2026-11-20 08:00:00",
                "20261124 18:13:18",
                "05 12 2024 10:11",
                "192.168.100.200",
                "078-05-1120",
                "4111 1111 1111 1111",
                "9b1f282e-4067-4358-8ee2-07f8da94e3e8",
                "102-555-0143",
                "100 200 300",
            ]),
        ),
        (
            "phone-labelled",
            owned(&[
                "Phone: ⟦555 0143⟧",
                "telephone number is ⟦5550143⟧",
                "Mobile: ⟦9876543210⟧ x",
                "phone: 2026-11-20",
                "phones 12",
                "fax: 10.0.0.1",
            ]),
        ),
        (
            "ipv4",
            owned(&[
                "from ⟦192.0.2.1⟧:443",
                "⟦10.0.0.1⟧-⟦10.0.0.9⟧",
                "http://⟦198.51.100.7⟧/x",
                "localhost/⟦127.0.0.1⟧",
                "at ⟦255.255.255.255⟧.",
                "1.2.3.4.5",
                "Chrome/120.0.0.0",
                "256.1.1.1",
                "1.02.3.4",
                "0.0.0.0",
                "v1.2.3.4",
                "1.2.3.4-beta",
            ]),
        ),
        (
            "ipv6",
            owned(&[
                "[⟦2001:db8::1⟧]:22",
                "⟦::1⟧",
                "⟦fe80::1%eth0⟧",
                "⟦2001:db8:1:2:3:4:5:6⟧",
                "⟦::ffff:192.0.2.1⟧",
                "net ⟦2001:db8::⟧/32",
                "arn:aws:iam::111122223333:user/bob",
                "08:00:00",
                "std::iter",
                "2001:db8::1::2",
                "1:2:3:4:5:6:7:8:9",
                "port 22 on ::",
            ]),
        ),
        (
            "mac",
            owned(&[
                "⟦00:1b:44:11:3a:b7⟧",
                "⟦00-1B-44-11-3A-B7⟧.",
                "00:00:00:00:00:00",
                "00:1b:44:11:3a",
                "00:1b:44:11:3a:b7:01",
                "00:1b-44:11-3a:b7",
            ]),
        ),
    ]
}
