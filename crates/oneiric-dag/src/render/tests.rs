//! What people see, as snapshots; what always holds, as properties.

mod properties;
mod svg;

use super::*;

fn node(id: &str, label: &str, state: NodeLook, detail: &str, depends_on: &[usize]) -> PictureNode {
    let detail = (!detail.is_empty()).then(|| detail.to_owned());
    PictureNode { state: Some(state), detail, ..PictureNode::new(id, label, depends_on) }
}

fn chain() -> Picture {
    let nodes = vec![
        node("fetch", "http.get", NodeLook::Completed, "0.21s", &[]),
        node("store", "s3.put", NodeLook::Running, "1.02s try 2", &[0]),
    ];
    Picture::new("fetch and store", nodes).unwrap()
}

fn diamond() -> Picture {
    let nodes = vec![
        node("reserve_stock", "inventory.reserve", NodeLook::Completed, "0.21s", &[]),
        node("charge_card", "billing.charge", NodeLook::Completed, "1.84s try 2", &[0]),
        node("pack", "warehouse.pack", NodeLook::Running, "12.0s", &[0]),
        node("ship", "carrier.ship", NodeLook::Pending, "", &[1, 2]),
        node("notify", "mail.send", NodeLook::Pending, "", &[3, 1]),
    ];
    Picture::new("order", nodes).unwrap()
}

fn disconnected() -> Picture {
    let nodes = vec![
        PictureNode::new("alone", "", &[]),
        PictureNode::new("first", "", &[]),
        PictureNode::new("second", "", &[1]),
        PictureNode::new("also alone", "", &[]),
    ];
    Picture::new("", nodes).unwrap()
}

fn states() -> Picture {
    let nodes = NodeLook::ALL.iter().enumerate().map(|(index, look)| {
        let depends_on: &[usize] = if index == 0 { &[] } else { &[(index - 1) / 2] };
        node(&format!("is_{}", look.word()), "", *look, "", depends_on)
    });
    Picture::new("states", nodes.collect()).unwrap()
}

fn nasty() -> Picture {
    let nodes = vec![
        node("a]b[c", "say \"hi\"", NodeLook::Completed, "1 < 2 & 3 > 2", &[]),
        node("<script>alert('x')</script>", "%%{init: {}}%%", NodeLook::Failed, "`tick`; #35; \\N \\", &[0]),
        node("注文処理_überprüfen", "line\nbreak", NodeLook::Waiting, "\u{1b}[31mred", &[0]),
        node("NFCORE_RNASEQ.PREPARE_GENOME.UNTAR_THE_REFERENCE_1", "", NodeLook::Unknown, "", &[1, 2]),
    ];
    Picture::new("\"it's\" <nasty> & \\ 100%", nodes).unwrap()
}

const WIDE: Terminal = Terminal { width: 80, charset: Charset::Unicode, colour: false };
const PLAIN: Terminal = Terminal { width: 60, charset: Charset::Ascii, colour: false };

#[test]
fn the_terminal_shows_nesting_and_names_what_the_lines_cannot() {
    insta::assert_snapshot!("ascii_chain", ascii(&chain(), WIDE));
    insta::assert_snapshot!("ascii_diamond", ascii(&diamond(), WIDE));
    insta::assert_snapshot!("ascii_disconnected", ascii(&disconnected(), WIDE));
    insta::assert_snapshot!("ascii_states", ascii(&states(), WIDE));
    insta::assert_snapshot!("ascii_nasty", ascii(&nasty(), WIDE));
}

#[test]
fn seven_bits_are_enough() {
    insta::assert_snapshot!("plain_diamond", ascii(&diamond(), PLAIN));
    insta::assert_snapshot!("plain_states", ascii(&states(), PLAIN));
    insta::assert_snapshot!("plain_nasty", ascii(&nasty(), PLAIN));
    assert!(ascii(&nasty(), PLAIN).is_ascii());
}

#[test]
fn colour_adds_sequences_and_nothing_else() {
    let coloured = ascii(&chain(), Terminal { colour: true, ..WIDE });
    insta::assert_snapshot!("ascii_colour", coloured.escape_debug().to_string().replace("\\n", "\n"));
    assert_eq!(without_colour(&coloured), ascii(&chain(), WIDE));
}

fn without_colour(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.map(|part| part.split_once('m').unwrap().1).collect::<String>()
}

#[test]
fn a_fan_of_fifty_and_its_join_stay_narrow() {
    let all: Vec<usize> = (1..=50).collect();
    let branches = (1..=50).map(|i| node(&format!("resize_{i:02}"), "", NodeLook::Completed, "", &[0]));
    let ends =
        [node("split", "", NodeLook::Completed, "", &[]), node("merge", "", NodeLook::Ready, "", &all)];
    let [first, last] = ends;
    let nodes = std::iter::once(first).chain(branches).chain([last]).collect();
    let drawn = ascii(&Picture::new("", nodes).unwrap(), WIDE);
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(lines[..2], ["┌ ✓ split", "├── ✓ resize_01"]);
    assert_eq!(lines[51], "└ ○ merge        ← resize_01, resize_02, resize_03, resize_04, resize_05, +45");
}

#[test]
fn a_chain_of_a_hundred_is_one_straight_lane() {
    let nodes = (0..100_usize)
        .map(|i| PictureNode::new(format!("n{i}"), "", if i == 0 { vec![] } else { vec![i - 1] }.as_slice()));
    let drawn = ascii(&Picture::new("", nodes.collect()).unwrap(), WIDE);
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!([lines[0], lines[50], lines[99]], ["┌ n0", "├ n50", "└ n99"]);
}

#[test]
fn deep_nesting_goes_on_in_the_lane_instead_of_indenting() {
    // A spine of 40, each with a leaf at its side.
    let nodes = (0..80_usize).map(|i| match i {
        0 => PictureNode::new("spine_0", "", &[]),
        _ if i % 2 == 1 => PictureNode::new(format!("leaf_{i}"), "", &[i - 1]),
        _ => PictureNode::new(format!("spine_{i}"), "", &[i - 2]),
    });
    let drawn = ascii(&Picture::new("", nodes.collect()).unwrap(), WIDE);
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(lines[..4], ["┌ spine_0", "├── leaf_1", "├ spine_2    ← spine_0", "├── leaf_3"]);
}

#[test]
fn mermaid_shows_what_people_wrote_and_executes_none_of_it() {
    insta::assert_snapshot!("mermaid_diamond", mermaid(&diamond()));
    insta::assert_snapshot!("mermaid_disconnected", mermaid(&disconnected()));
    insta::assert_snapshot!("mermaid_nasty", mermaid(&nasty()));
}

#[test]
fn dot_quotes_everything() {
    insta::assert_snapshot!("dot_diamond", dot(&diamond()));
    insta::assert_snapshot!("dot_states", dot(&states()));
    insta::assert_snapshot!("dot_nasty", dot(&nasty()));
}

#[test]
fn nothing_to_draw_is_drawn_as_nothing() {
    let empty = Picture::new("", vec![]).unwrap();
    assert_eq!(ascii(&empty, WIDE), "");
    assert_eq!(mermaid(&empty), "flowchart TD\n");
}
