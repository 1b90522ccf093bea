/** Label lists as people write them: typed names, pasted JSON, colours and keys given out. Pure. */
import type { Label } from '../api/types';

/** A label as it is being edited; without an id it is new. */
export type LabelDraft = Omit<Label, 'id'> & { id?: number };

/** Told apart by colour-blind people, and readable on both themes. */
export const PALETTE = [
  '#e69f00', '#56b4e9', '#00b386', '#e583bb', '#f0e442', '#ff7a3d', '#4f7fd9', '#a98bd6', '#8fbf3f', '#b98a4a'
] as const;

const KEYS = '1234567890';

export function nextColour(present: readonly { colour: string }[]): string {
  const used = new Set(present.map(label => label.colour.toLowerCase()));
  return PALETTE.find(colour => !used.has(colour)) ?? PALETTE[present.length % PALETTE.length] ?? PALETTE[0];
}

export function nextKey(present: readonly { key: string | null }[]): string | null {
  const used = new Set(present.map(label => label.key));
  return KEYS.split('').find(key => !used.has(key)) ?? null;
}

/** Names, one a line or separated by commas (also the Chinese one), each once. */
export function labelsFromText(text: string): LabelDraft[] {
  const names = [...new Set(text.split(/[\n,，;；]/).map(name => name.trim()).filter(Boolean))];
  // A label that is one character is its own key: digits are labelled by typing them.
  const own = names.filter(name => KEYS.includes(name) && name.length === 1).map(key => ({ key }));
  const labels: LabelDraft[] = [];
  for (const name of names) {
    const key = own.some(one => one.key === name) ? name : nextKey([...labels, ...own]);
    labels.push({ name, colour: nextColour(labels), key });
  }
  return labels;
}

export type JsonProblem = { problem: 'syntax'; why: string } | { problem: 'list' } | { problem: 'name'; number: number };

/** Reads `[{"name", "color"|"colour", "key"}]`; labels that are there already keep their id. */
export function labelsFromJson(text: string, present: readonly LabelDraft[]): LabelDraft[] | JsonProblem {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return { problem: 'syntax', why: error instanceof Error ? error.message : String(error) };
  }
  if (!Array.isArray(parsed)) {
    return { problem: 'list' };
  }
  const labels: LabelDraft[] = [];
  for (const [index, entry] of (parsed as unknown[]).entries()) {
    const record = (entry && typeof entry === 'object' ? entry : { name: entry }) as Record<string, unknown>;
    const { name, key } = record;
    if (typeof name !== 'string' || !name.trim()) {
      return { problem: 'name', number: index + 1 };
    }
    const colour = record['colour'] ?? record['color'];
    const known = present.find(label => label.name === name);
    labels.push({
      ...(known?.id !== undefined ? { id: known.id } : {}),
      name,
      colour: typeof colour === 'string' ? colour : (known?.colour ?? nextColour(labels)),
      key: typeof key === 'string' && key ? key : null
    });
  }
  return labels;
}

export const labelsToJson = (labels: readonly LabelDraft[]): string =>
  JSON.stringify(
    labels.map(({ name, colour, key }) => ({ name, color: colour, ...(key ? { key } : {}) })),
    null,
    2
  );
