/** Breaks a text into lines as the page's style sheet does (`pre-wrap`, `overflow-wrap: anywhere`). */

/**
 * The first lines of a text: its own line ends are kept, and it is broken between words, or within
 * a word that is wider than a line.
 *
 * @param measure how wide something is, in units of `width`.
 * @param most lines that are wanted.
 */
export function wrapped(
  text: string,
  width: number,
  most: number,
  measure: (words: string) => number
): string[] {
  const lines: string[] = []
  for (const paragraph of text.split(/\r\n|\r|\n/)) {
    if (lines.length >= most) break
    breakUp(paragraph, lines, most, (words) => measure(words) <= width)
  }
  return lines.slice(0, most)
}

function breakUp(
  paragraph: string,
  lines: string[],
  most: number,
  fits: (words: string) => boolean
): void {
  let line = ''
  for (const [word] of paragraph.matchAll(/\S+|\s+/g)) {
    if (lines.length >= most) return
    const isSpace = word.trim() === ''
    if (isSpace || fits(line + word)) {
      line += word // spaces hang over the end
      continue
    }
    if (line.trim() !== '') lines.push(line.trimEnd())
    line = cut(word, lines, most, fits)
  }
  lines.push(line.trimEnd())
}

/** Lines that a long word fills; what is left of it is returned. */
function cut(
  word: string,
  lines: string[],
  most: number,
  fits: (words: string) => boolean
): string {
  if (fits(word)) return word
  let line = ''
  for (const character of word) {
    if (line !== '' && !fits(line + character)) {
      lines.push(line)
      line = ''
      if (lines.length >= most) return ''
    }
    line += character
  }
  return line
}
