/** A log as it is read in pieces: bytes become lines, levels are recognised, matches are found. Pure. */

export type Level = 'error' | 'warn' | 'good' | 'info' | null;

export interface LogLine {
  number: number;
  text: string;
  level: Level;
}

const LEVELS: readonly [RegExp, Level][] = [
  [/\b(ERROR|CRITICAL|FATAL|Traceback|Error:|Exception)\b/, 'error'],
  [/\b(WARN|WARNING)\b/, 'warn'],
  [/\b(BEST|SUCCESS)\b/, 'good'],
  [/\bINFO\b/, 'info']
];

export function levelOf(text: string): Level {
  return LEVELS.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}

// Colour codes of terminals; a carriage return starts the line again, as progress bars do.
// eslint-disable-next-line no-control-regex
const ANSI = /\u001b\[[0-9;?]*[A-Za-z]/g;

export function cleanLine(text: string): string {
  const plain = text.replace(ANSI, '').replace(/\r+$/, '');
  return plain.slice(plain.lastIndexOf('\r') + 1);
}

/** Gathers decoded pieces into whole lines; the last one may still grow. */
export class LogText {
  readonly lines: LogLine[] = [];
  private open = '';
  private decoder = new TextDecoder();

  append(bytes: Uint8Array, end: boolean): void {
    const text = this.open + this.decoder.decode(bytes, { stream: !end });
    if (this.open) {
      this.lines.pop();
    }
    const pieces = text.split('\n');
    this.open = pieces.pop() ?? '';
    for (const piece of this.open ? [...pieces, this.open] : pieces) {
      const clean = cleanLine(piece);
      this.lines.push({ number: this.lines.length + 1, text: clean, level: levelOf(clean) });
    }
  }

  find(query: string): number[] {
    const wanted = query.toLowerCase();
    if (!wanted) {
      return [];
    }
    return this.lines.flatMap((line, index) => (line.text.toLowerCase().includes(wanted) ? [index] : []));
  }
}
