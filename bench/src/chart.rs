//! The chart in `docs/benchmark.svg`: horizontal bars, readable on light and dark pages.

use std::fmt::Write;

use crate::candidate::Candidate;
use crate::results::{Results, Spread};
use crate::scenario::SCENARIOS;

const WIDTH: f64 = 760.0;
/// Where bars begin; the scenario's name is left of it.
const LEFT: f64 = 250.0;
/// The room for the number right of the longest bar.
const RIGHT: f64 = 150.0;
const BAR: f64 = 13.0;
const GROUP: f64 = 40.0;

const STYLE: &str = "\
    text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328; }
    .title { font-weight: 600; font-size: 15px; }
    .note { fill: #59636e; font-size: 12px; }
    .own { fill: #0969da; }
    .other { fill: #afb8c1; }
    .spread { stroke: #1f2328; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .note { fill: #9198a1; }
      .own { fill: #4493f8; }
      .other { fill: #545d68; }
      .spread { stroke: #f0f6fc; }
    }";

/// Returns the chart as the text of an SVG file.
pub fn draw(results: &Results) -> String {
    let own = |candidate| {
        let rows = SCENARIOS.iter().filter_map(move |scenario| {
            let speed = results.speed(scenario, candidate)?;
            let lost = (
                results.lost(scenario, candidate),
                results.lost(scenario, Candidate::Alternative),
            );
            Some((scenario.name, speed, lost))
        });
        rows.collect::<Vec<_>>()
    };
    let (on_redis, mut in_memory) = (own(Candidate::Redis), own(Candidate::Memory));
    in_memory.truncate(1);
    let all = on_redis.iter().chain(&in_memory);
    let longest = all.fold(1.0, |longest, (_, speed, _)| speed.max.max(longest));
    let mut chart = Chart {
        scale: (WIDTH - LEFT - RIGHT) / longest,
        y: 0.0,
        body: String::new(),
    };
    chart.note("Requests per second, compared in each round. Bars: medians. Lines: smallest and largest ratio.");
    chart.title("Sessions in Redis");
    chart.legend("shared-session", "actix-session's store = 1");
    for (name, speed, lost) in &on_redis {
        let notes = match lost {
            (Some(own), Some(other)) => [format!(", loses {own:.0} % of changes"), format!("loses {other:.0} %")],
            _ => [String::new(), String::new()],
        };
        chart.group(name, *speed, &notes);
    }
    if !in_memory.is_empty() {
        chart.title("Sessions in memory");
        chart.legend("shared-session, memory:", "the same page without a session = 1");
    }
    for (name, speed, _) in &in_memory {
        chart.group(name, *speed, &[String::new(), String::new()]);
    }
    let height = chart.y + 10.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n  \
         <title>Requests per second, in relation to the alternative</title>\n  <style>\n{STYLE}\n  </style>\n{}</svg>\n",
        chart.body
    )
}

struct Chart {
    /// The length of a bar of 1.
    scale: f64,
    /// Where the next part begins.
    y: f64,
    body: String,
}

impl Chart {
    fn note(&mut self, note: &str) {
        self.y += 18.0;
        self.text("note", 10.0, self.y, note);
    }

    fn title(&mut self, title: &str) {
        self.y += 26.0;
        self.text("title", 10.0, self.y, title);
    }

    fn legend(&mut self, own: &str, other: &str) {
        for (class, x, text) in [("own", LEFT, own), ("other", LEFT + 180.0, other)] {
            self.bar(class, x, self.y - 10.0, 12.0);
            self.text("note", x + 18.0, self.y, text);
        }
        self.y += 14.0;
    }

    /// Draws a scenario: the bar of shared-session with its spread, and the bar of the alternative, which is 1 long.
    fn group(&mut self, name: &str, speed: Spread, notes: &[String; 2]) {
        let y = self.y;
        self.text("name", 10.0, y + 19.0, name);
        let end = LEFT + speed.median * self.scale;
        self.bar("own", LEFT, y, speed.median * self.scale);
        self.bar("other", LEFT, y + BAR + 2.0, self.scale);
        let (from, to) = (LEFT + speed.min * self.scale, LEFT + speed.max * self.scale);
        let middle = y + BAR / 2.0;
        let _ = writeln!(
            self.body,
            "  <line class=\"spread\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>"
        );
        self.text(
            "name",
            end.max(to) + 6.0,
            y + BAR - 2.0,
            &format!("{:.2}{}", speed.median, notes[0]),
        );
        self.text("note", LEFT + self.scale + 6.0, y + 2.0 * BAR, &notes[1]);
        self.y += GROUP;
    }

    fn bar(&mut self, class: &str, x: f64, y: f64, width: f64) {
        let _ = writeln!(
            self.body,
            "  <rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>"
        );
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        if !text.is_empty() {
            let _ = writeln!(
                self.body,
                "  <text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
            );
        }
    }
}
