#pragma once

namespace latentsync::transcode {

/// Of the page and of the plots in it. Widths from 320 pixels on, light and dark, for paper too.
/// Colours of the plots can be told apart by people who confuse red and green.
inline constexpr char kPageStyle[] = R"(
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --ink: #1c2430; --soft: #5b6675;
  --rule: #e1e5ea; --good: #12764a; --bad: #b3261e; --note: #8a5a00; --good-ground: #e3f4ea; --bad-ground: #fbe6e4;
  --note-ground: #fdf3dd; --edited: #2f9e6e; --no-face: #a8b0bb; --implausible: #e29a2d; --not-rendered: #7266c4;
  --late: #c8324f; --mouth: #0b6bb5; --loudness: #b7c4d3; --face: #62b6e8; --audio: #f0c04a; --encode: #e08a3c;
  --denoise: #1f6fb4; --decode: #c678a8; --paste: #6d7784; --plan: #c8324f; }
@media (prefers-color-scheme: dark) { :root { --page: #12161c; --card: #1b2129; --ink: #e8ecf1; --soft: #9aa6b5;
  --rule: #2e3742; --good: #6fd3a0; --bad: #ff9c94; --note: #f2c063; --good-ground: #173427; --bad-ground: #41201e;
  --note-ground: #3a2f16; --edited: #3fb583; --no-face: #69737f; --implausible: #e9a640; --not-rendered: #9a8ff0;
  --late: #ff6b84; --mouth: #63b3f0; --loudness: #465566; --face: #7cc6f2; --audio: #e6bd57; --encode: #dd9350;
  --denoise: #4d97d8; --decode: #d28fb8; --paste: #8d98a6; --plan: #ff6b84; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", "Noto Sans", "DejaVu Sans", Arial, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 40px; }
header { margin-bottom: 20px; }
h1 { font-size: 28px; line-height: 1.2; margin: 2px 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 0 0 4px; }
h3 { font-size: 14px; margin: 14px 0 0; font-weight: 600; }
p { margin: 0 0 10px; }
.eyebrow { text-transform: uppercase; letter-spacing: .08em; font-size: 12px; color: var(--soft); margin: 0; }
.soft { color: var(--soft); }
.files { color: var(--soft); overflow-wrap: anywhere; margin: 0; }
.state { display: inline-block; padding: 2px 10px; border-radius: 999px; font-size: 13px; font-weight: 600; }
.good { color: var(--good); background: var(--good-ground); }
.bad { color: var(--bad); background: var(--bad-ground); }
.note { color: var(--note); background: var(--note-ground); }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 18px 20px;
  margin-bottom: 16px; }
.message { padding: 12px 16px; border-radius: 10px; margin-bottom: 16px; overflow-wrap: anywhere; }
.message ul { margin: 4px 0 0; padding-left: 20px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 10px; margin: 0 0 16px; }
.tiles div { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 10px 14px; }
.tiles dt { color: var(--soft); font-size: 12px; }
.tiles dd { margin: 0; font-size: 21px; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles small { display: block; font-size: 12px; font-weight: 400; color: var(--soft); }
figure { margin: 0; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 3px; }
.pair div { position: relative; }
.pair img { display: block; width: 100%; height: auto; border-radius: 6px; background: var(--rule); }
.pair span { position: absolute; left: 6px; bottom: 6px; padding: 0 6px; border-radius: 4px; font-size: 11px;
  color: #fff; background: rgba(0, 0, 0, .6); }
figcaption { font-size: 12px; color: var(--soft); padding-top: 4px; font-variant-numeric: tabular-nums; }
.pair.large img { max-height: 560px; object-fit: contain; }
.faces { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 14px; margin-top: 10px; }
.faces .marked .pair { outline: 2px solid var(--implausible); outline-offset: 2px; border-radius: 6px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; padding: 0; margin: 6px 0 0; font-size: 13px;
  color: var(--soft); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
.legend .plan { height: 3px; vertical-align: middle; }
svg.plot { display: block; font-size: 11px; overflow: visible; margin-left: 52px; width: calc(100% - 52px); }
svg text { fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--rule); }
svg .mark { stroke: var(--soft); }
svg .line { fill: none; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round;
  vector-effect: non-scaling-stroke; }
svg .line.mouth { stroke: var(--mouth); }
svg .band.mouth { fill: var(--mouth); opacity: .3; }
svg .band.loudness { fill: var(--loudness); }
svg .line.plan { stroke: var(--plan); stroke-dasharray: 6 4; }
rect.edited { fill: var(--edited); } .legend .edited { background: var(--edited); }
rect.no-face { fill: var(--no-face); } .legend .no-face { background: var(--no-face); }
rect.implausible { fill: var(--implausible); } .legend .implausible { background: var(--implausible); }
rect.not-rendered { fill: var(--not-rendered); } .legend .not-rendered { background: var(--not-rendered); }
rect.late { fill: var(--late); } .legend .late { background: var(--late); }
rect.face { fill: var(--face); } .legend .face { background: var(--face); }
rect.audio { fill: var(--audio); } .legend .audio { background: var(--audio); }
rect.encode { fill: var(--encode); } .legend .encode { background: var(--encode); }
rect.denoise, rect.peak { fill: var(--denoise); } .legend .denoise, .legend .peak { background: var(--denoise); }
rect.decode { fill: var(--decode); } .legend .decode { background: var(--decode); }
rect.paste { fill: var(--paste); } .legend .paste { background: var(--paste); }
.legend .plan { background: var(--plan); } .legend .mouth { background: var(--mouth); }
.legend .loudness { background: var(--loudness); }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 4px 18px 4px 0; border-bottom: 1px solid var(--rule); vertical-align: top;
  overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 500; }
td.number, th.number { text-align: right; white-space: nowrap; }
tr.changed td { font-weight: 600; }
details { margin-top: 12px; font-size: 13px; }
summary { cursor: pointer; color: var(--soft); }
details[open] summary { margin-bottom: 8px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 16px; }
.columns section { margin: 0; align-self: start; }
footer { color: var(--soft); font-size: 12px; margin-top: 20px; }
@media (max-width: 560px) { main { padding: 18px 12px 28px; } section { padding: 14px 12px; } h1 { font-size: 22px; }
  .tiles { grid-template-columns: 1fr 1fr; } .faces { grid-template-columns: 1fr; } .pair.large { grid-template-columns: 1fr; } }
@media print { body { background: none; } section, .tiles div { break-inside: avoid; } details { display: none; } }
)";

}  // namespace latentsync::transcode
