//! The two text formats: <https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4, and
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>, version 1.0.0.

use std::fmt::{self, Write};

use super::{Family, Kind, Labels, Value};

/// The content type of [`prometheus`].
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content type of [`open_metrics`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// As Prometheus reads it. Families without samples are left out.
pub fn prometheus(families: &[Family]) -> String {
    write(families, Format::Prometheus)
}

/// As OpenMetrics reads it. Families without samples are left out.
pub fn open_metrics(families: &[Family]) -> String {
    write(families, Format::OpenMetrics) + "# EOF\n"
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Prometheus,
    OpenMetrics,
}

fn write(families: &[Family], format: Format) -> String {
    let mut out = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        // Writing to a string cannot fail.
        let _ = write_family(&mut out, family, format);
    }
    out
}

fn write_family(out: &mut String, family: &Family, format: Format) -> fmt::Result {
    let name = &*family.name;
    // OpenMetrics: a counter is called without the suffix that its samples have.
    let called = match (format, family.kind) {
        (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    };
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    let help = if format == Format::OpenMetrics { help.replace('"', "\\\"") } else { help };
    writeln!(out, "# HELP {called} {help}\n# TYPE {called} {}", family.kind.name())?;
    for sample in &family.samples {
        let labels = &sample.labels;
        match &sample.value {
            Value::Number(number) => {
                line(out, &[name], labels, None)?;
                writeln!(out, " {}", Number(*number))?;
            }
            Value::Summary { count, sum } => {
                line(out, &[name, "_sum"], labels, None)?;
                writeln!(out, " {}", Number(*sum))?;
                line(out, &[name, "_count"], labels, None)?;
                writeln!(out, " {count}")?;
            }
            Value::Histogram { bounds, counts, sum } => {
                // Buckets hold what is at most their bound, those below included.
                let mut below = 0;
                let infinite = std::iter::once(f64::INFINITY);
                for (bound, count) in bounds.iter().copied().chain(infinite).zip(counts) {
                    below += count;
                    let bound = match format {
                        Format::OpenMetrics if bound.fract() == 0.0 => format!("{bound:.1}"),
                        Format::OpenMetrics | Format::Prometheus => Number(bound).to_string(),
                    };
                    line(out, &[name, "_bucket"], labels, Some(&bound))?;
                    writeln!(out, " {below}")?;
                }
                line(out, &[name, "_sum"], labels, None)?;
                writeln!(out, " {}", Number(*sum))?;
                line(out, &[name, "_count"], labels, None)?;
                writeln!(out, " {below}")?;
            }
        }
    }
    Ok(())
}

/// A name and its labels; `bound` is that of a bucket.
fn line(out: &mut String, name: &[&str], labels: &Labels, bound: Option<&str>) -> fmt::Result {
    name.iter().try_for_each(|part| out.write_str(part))?;
    let mut between = '{';
    let own = labels.iter().map(|(name, value)| (&**name, value.as_str()));
    for (name, value) in own.chain(bound.map(|bound| ("le", bound))) {
        write!(out, "{between}{name}=\"")?;
        for character in value.chars() {
            match character {
                '\\' => out.write_str("\\\\")?,
                '"' => out.write_str("\\\"")?,
                '\n' => out.write_str("\\n")?,
                other => out.write_char(other)?,
            }
        }
        out.write_char('"')?;
        between = ',';
    }
    if between == ',' { out.write_char('}') } else { Ok(()) }
}

/// A number as both formats have it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            number if number.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families() -> Vec<Family> {
        let mut calls = Family::new("calls_total", Kind::Counter, "Calls,\nby \"route\" and \\.");
        calls.push([("route", r#"/a"b\c"#), ("code", "200")], 3.0);
        calls.push([("route", "two\nlines"), ("code", "500")], 18_446_744_073_709_551_615.0);
        let mut took = Family::new("took_seconds", Kind::Histogram, "How long.");
        let value = Value::Histogram { bounds: vec![0.5, 1.0], counts: vec![2, 0, 1], sum: 3.25 };
        took.put([("route", "/")], value);
        let mut tries = Family::new("tries", Kind::Summary, "Tries.");
        tries.put([], Value::Summary { count: 2, sum: 5.0 });
        vec![calls, took, tries, Family::new("nothing", Kind::Gauge, "Is not written.")]
    }

    #[test]
    fn prometheus_reads_it() {
        assert_eq!(
            prometheus(&families()),
            r#"# HELP calls_total Calls,\nby "route" and \\.
# TYPE calls_total counter
calls_total{route="/a\"b\\c",code="200"} 3
calls_total{route="two\nlines",code="500"} 18446744073709552000
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{route="/",le="0.5"} 2
took_seconds_bucket{route="/",le="1"} 2
took_seconds_bucket{route="/",le="+Inf"} 3
took_seconds_sum{route="/"} 3.25
took_seconds_count{route="/"} 3
# HELP tries Tries.
# TYPE tries summary
tries_sum 5
tries_count 2
"#
        );
    }

    #[test]
    fn open_metrics_reads_it() {
        let text = open_metrics(&families());
        assert!(text.starts_with(
            "# HELP calls Calls,\\nby \\\"route\\\" and \\\\.\n# TYPE calls counter\ncalls_total{"
        ));
        assert!(text.contains("took_seconds_bucket{route=\"/\",le=\"1.0\"} 2\n"), "{text}");
        assert!(text.contains("le=\"+Inf\"} 3\n"), "{text}");
        assert!(text.ends_with("tries_count 2\n# EOF\n"), "{text}");
        assert_eq!(open_metrics(&[]), "# EOF\n");
    }
}
