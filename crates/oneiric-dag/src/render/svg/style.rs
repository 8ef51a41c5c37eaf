//! The style sheet inside the drawing.
//!
//! Plain rules, no custom properties: converters without a browser behind them do not know those.

use std::fmt::Write as _;

use crate::render::NodeLook;

const FONTS: &str =
    "Inter,'Segoe UI',Roboto,'Helvetica Neue',Arial,'Liberation Sans','Noto Sans','DejaVu Sans',sans-serif";

/// Colours that do not depend on a state.
struct Scheme {
    sheet: &'static str,
    ink: &'static str,
    soft: &'static str,
    plain: &'static str,
    border: &'static str,
    edge: &'static str,
    done: &'static str,
    sign: &'static str,
}

const LIGHT: Scheme = Scheme {
    sheet: "#ffffff",
    ink: "#0f172a",
    soft: "#556377",
    plain: "#f8fafc",
    border: "#94a3b8",
    edge: "#b6c1d0",
    done: "#7f8ea3",
    sign: "#ffffff",
};

const DARK: Scheme = Scheme {
    sheet: "#0d1219",
    ink: "#e8edf4",
    soft: "#a3b0c2",
    plain: "#171e29",
    border: "#5b697e",
    edge: "#465266",
    done: "#7f8ea3",
    sign: "#0d1219",
};

/// With more edges than this they are drawn finer, so that bundles do not become slabs.
const MANY_EDGES: usize = 300;

pub(super) fn write(edges: usize, out: &mut String) -> std::fmt::Result {
    let (thick, opaque) = if edges > MANY_EDGES { (1.0, 0.6) } else { (1.4, 1.0) };
    writeln!(out, "<style>")?;
    writeln!(
        out,
        ".oneiric-dag{{font-family:{FONTS}}}\n\
         .oneiric-dag .title{{font-size:17px;font-weight:700}}\n\
         .oneiric-dag .id{{font-size:13px;font-weight:600}}\n\
         .oneiric-dag .label{{font-size:12px}}\n\
         .oneiric-dag .detail{{font-size:11px;font-variant-numeric:tabular-nums}}\n\
         .oneiric-dag .box{{stroke-width:1.4}}\n\
         .oneiric-dag .sign{{fill:none;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}}\n\
         .oneiric-dag .edge{{fill:none;stroke-width:{thick};stroke-opacity:{opaque}}}\n\
         .oneiric-dag .idle{{stroke-dasharray:4 4}}"
    )?;
    for look in NodeLook::ALL.into_iter().filter(|look| look.style().dashed) {
        writeln!(out, ".oneiric-dag .{} .box{{stroke-dasharray:5 4}}", look.word())?;
    }
    scheme(&LIGHT, |look| &look.style().light, out)?;
    writeln!(out, "@media (prefers-color-scheme:dark){{")?;
    scheme(&DARK, |look| &look.style().dark, out)?;
    writeln!(out, "}}\n</style>")
}

fn scheme(
    colours: &Scheme,
    tones: impl Fn(NodeLook) -> &'static crate::render::look::Tones,
    out: &mut String,
) -> std::fmt::Result {
    let Scheme { sheet, ink, soft, plain, border, edge, done, sign } = colours;
    writeln!(
        out,
        ".oneiric-dag .sheet{{fill:{sheet}}}\n\
         .oneiric-dag .title,.oneiric-dag .id{{fill:{ink}}}\n\
         .oneiric-dag .label,.oneiric-dag .detail{{fill:{soft}}}\n\
         .oneiric-dag .sign{{stroke:{sign}}}\n\
         .oneiric-dag .edge{{stroke:{edge}}}\n\
         .oneiric-dag .done{{stroke:{done}}}\n\
         .oneiric-dag .head{{fill:{done}}}\n\
         .oneiric-dag .plain .box{{fill:{plain};stroke:{border}}}"
    )?;
    for look in NodeLook::ALL {
        let (word, tones) = (look.word(), tones(look));
        writeln!(out, ".oneiric-dag .{word} .box{{fill:{};stroke:{}}}", tones.fill, tones.stroke)?;
        writeln!(out, ".oneiric-dag .{word} .badge{{fill:{}}}", tones.stroke)?;
    }
    Ok(())
}
