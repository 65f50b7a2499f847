//! The page over real HTTP on this machine: pictures, questions, whom it refuses. The pipeline behind it is the test.

use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use llava_grounding::ports::Input;
use llava_grounding::ports::Who;
use llava_grounding::types::Answer;
use llava_grounding::types::Frame;
use llava_grounding::types::Header;
use llava_grounding::types::RgbImage;
use llava_grounding::types::Sight;
use llava_grounding::types::Stamp;
use llava_grounding::types::Status;
use llava_grounding::types::VisualPrompt;
use llava_grounding::web::Web;

/// Longest wait for a line; reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the page asked for: words, prompts, and the stamp of the picture that came along.
type Asked = (String, Vec<VisualPrompt>, Option<Stamp>);

fn frame() -> Frame {
    let image = Arc::new(RgbImage { width: 8, height: 6, data: vec![90; 8 * 6 * 3] });
    let header = Header { stamp: Stamp { sec: 5, nanosec: 7 }, frame_id: "optical".into() };
    Frame { camera: "default".into(), header, image }
}

/// A page and a pipeline that shows one picture and answers everything with "a mug"; what it was asked comes out.
fn page() -> (Web, SocketAddr, std::sync::mpsc::Receiver<Asked>) {
    let (inputs, mut heard) = mpsc::channel(4);
    let web = Web::open("127.0.0.1", 0, inputs).unwrap();
    let (tell, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Some(input) = futures::executor::block_on(heard.next()) {
            match input {
                Input::Look(look) => look.reply.send(Some((frame(), Sight::default()))),
                Input::Ask(ask) => {
                    let given = ask.client.given.map(|(frame, _)| frame.header.stamp);
                    let answer = Answer::new(&ask.command, Some(&frame()), Status::Final, String::new());
                    let answer = Answer { text: "a mug".into(), ..answer };
                    tell.send((ask.command.text, ask.command.prompts, given)).unwrap();
                    ask.client.feedback.unwrap().send("a", &Answer { text: "a".into(), ..answer.clone() });
                    ask.client.reply.unwrap().send(Arc::new(answer));
                }
                Input::Refused(refused) => {
                    let answer = Answer::new(&refused.command, None, Status::Failed, refused.why);
                    refused.reply.unwrap().send(Arc::new(answer));
                }
                Input::Cancel(Who::One(_)) => {}
                other => panic!("the page asks for {other:?}"),
            }
        }
    });
    let address = web.address().unwrap();
    (web, address, asked)
}

/// Head and body of the response.
fn http(at: SocketAddr, request: &str, body: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{request}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
    let mut response = vec![];
    stream.read_to_end(&mut response).unwrap();
    let end = response.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&response[..end]).into_owned(), response[end + 4..].to_vec())
}

fn get(at: SocketAddr, path: &str) -> (String, Vec<u8>) {
    http(at, &format!("GET {path} HTTP/1.1\r\nHost: {at}"), "")
}

fn ask(at: SocketAddr, body: &str) -> Vec<serde_json::Value> {
    let (head, body) = http(at, &format!("POST /ask HTTP/1.1\r\nHost: {at}\r\nOrigin: http://{at}"), body);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    String::from_utf8(body).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_page_shows_pictures_and_streams_answers_about_the_one_that_was_shown() {
    let (_web, at, asked) = page();
    let (head, body) = get(at, "/");
    assert!(head.contains("Content-Security-Policy: default-src 'self'"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("/page.js"));
    let (head, jpeg) = get(at, "/frame");
    assert!(head.contains("X-Stamp: 5 7") && jpeg.starts_with(&[0xff, 0xd8]), "{head}");

    let lines = ask(at, r#"{"text": "what is it?", "stamp": [5, 7], "prompts": [{"click": [3.5, 2.0]}]}"#);
    assert_eq!((&lines[0]["growing"]["text"], &lines[1]["answer"]["text"]), (&"a".into(), &"a mug".into()));
    let (text, prompts, given) = asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!((text.as_str(), given), ("what is it?", Some(Stamp { sec: 5, nanosec: 7 })));
    assert_eq!(prompts, [VisualPrompt::Click { x: 3.5, y: 2.0 }]);

    ask(at, r#"{"text": "the mug"}"#);
    assert_eq!(asked.recv_timeout(PATIENCE).unwrap(), ("the mug".to_string(), vec![], None), "the newest will do");
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let (_web, at, _asked) = page();
    get(at, "/frame");
    let outside = ask(at, r#"{"text": "this", "stamp": [5, 7], "prompts": [{"click": [100.0, 2.0]}]}"#);
    assert!(outside[0]["answer"]["message"].as_str().unwrap().contains("outside the picture"), "{outside:?}");
    let origin = format!("POST /ask HTTP/1.1\r\nHost: {at}\r\nOrigin: http://{at}");
    let (head, body) = http(at, &origin, "{\"txt\": 1}");
    assert!(head.starts_with("HTTP/1.1 400") && String::from_utf8_lossy(&body).contains("txt"), "{head}");
    assert!(get(at, "/etc/passwd").0.starts_with("HTTP/1.1 404"));
}

#[test]
fn other_origins_and_other_hosts_are_turned_away() {
    let (_web, at, asked) = page();
    let question = r#"{"text": "drop it"}"#;
    for head in [
        format!("POST /ask HTTP/1.1\r\nHost: {at}\r\nOrigin: http://evil.example"),
        format!("POST /ask HTTP/1.1\r\nHost: {at}"),
        format!("POST /ask HTTP/1.1\r\nHost: evil.example:{}\r\nOrigin: http://evil.example:{}", at.port(), at.port()),
        format!("GET /frame HTTP/1.1\r\nHost: evil.example:{}", at.port()),
    ] {
        let (answer, body) = http(at, &head, question);
        assert!(answer.starts_with("HTTP/1.1 403"), "{head}: {answer} {}", String::from_utf8_lossy(&body));
    }
    assert!(asked.try_recv().is_err(), "nobody was asked");
}
