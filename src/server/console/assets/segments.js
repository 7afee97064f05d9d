/**
 * What a text costs while it is being written: its alphabet and its segments.
 *
 * The rules are those of src/domain/segments.rs, which decides when the text is sent; both are held to
 * the same vectors (src/domain/data/segments.json). The text is made tidy first, as it will be before
 * it leaves: a curly quote costs nothing, since it becomes a straight one.
 */

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
  "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENSION = new Set("\f^{}\\[~]|€");

/** Units in a segment that is alone, and in one of several. */
const ROOM = { "GSM-7": [160, 153], "UCS-2": [70, 67] };

const LOOK_ALIKES = [
  [/[\u2018-\u201B\u00B4\u02B9\u02BC\u2032`]/g, "'"],
  [/[\u201C-\u201F«»\u2033]/g, '"'],
  [/[\u2010-\u2015\u2022\u2212]/g, "-"],
  [/\u2026/g, "..."],
  [/[\t\u00A0\u2002-\u200A\u202F\u3000]/g, " "],
  [/[\r\u0085\u2028\u2029]/g, "\n"],
];
/** Controls, direction marks and empty spaces, but not line feeds and the joiners of emoji. */
const UNSEEN =
  /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u00AD\u061C\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB]/g;

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** The text as it is stored and sent. */
export function tidy(text) {
  let plain = text.replaceAll("\r\n", "\n").normalize("NFC");
  for (const [found, replacement] of LOOK_ALIKES) plain = plain.replace(found, replacement);
  return plain.replace(UNSEEN, "").normalize("NFC");
}

/** The parts that are not split between segments, by their length in units. */
function pieces(text, encoding) {
  if (encoding === "GSM-7") return Array.from(text, (char) => (EXTENSION.has(char) ? 2 : 1));
  const [, each] = ROOM[encoding];
  return Array.from(graphemes.segment(text)).flatMap(({ segment }) =>
    segment.length > each ? Array.from(segment, (char) => char.length) : [segment.length],
  );
}

/**
 * Counts a text.
 *
 * @param {string} text as it stands in the field
 * @returns {{encoding: "GSM-7" | "UCS-2", segments: number, units: number, left: number,
 *   forced_by: {char: string, at: number} | null}} `left`: units that the last segment still has room
 *   for; `forced_by`: the first character outside the GSM alphabet, and how many stand before it.
 */
export function explain(text) {
  const chars = Array.from(tidy(text));
  const at = chars.findIndex((char) => !BASIC.has(char) && !EXTENSION.has(char));
  const encoding = at < 0 ? "GSM-7" : "UCS-2";
  const [alone, each] = ROOM[encoding];
  let units = 0;
  let segments = 1;
  let filled = 0;
  for (const piece of pieces(chars.join(""), encoding)) {
    units += piece;
    filled += piece;
    if (filled > each) {
      segments += 1;
      filled = piece;
    }
  }
  const fits = units <= alone;
  return {
    encoding,
    segments: fits ? 1 : segments,
    units,
    left: fits ? alone - units : each - filled,
    forced_by: at < 0 ? null : { char: chars[at], at },
  };
}

/**
 * A first text as it will leave: with the organisation's name and how to opt out, where it lacks them.
 * The rule is that of `first_text` in src/engine/changes/compose.rs.
 */
export function introduced(text, organisation) {
  const spoken = (words) => words.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const [said, name] = [spoken(text), spoken(organisation)];
  const namesUs = name.length > 0 && said.some((_, at) => name.every((word, next) => said[at + next] === word));
  const saysHow = said.some((word, at) => /^(reply|text|send|txt|answer)$/.test(word) && said[at + 1] === "stop");
  let whole = namesUs ? text : `${organisation}: ${text}`;
  if (!saysHow) whole += `${/[\p{L}\p{N}]$/u.test(whole) ? ". " : " "}Reply STOP to opt out.`;
  return whole;
}
