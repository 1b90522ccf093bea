/** Three-way merge of a form's values: what the person read, what they typed, what is stored now. */

export type Values = Record<string, unknown>;

export interface Merged<V> {
  /** Theirs, with what only this person changed laid over; clashes keep what this person typed. */
  values: V;
  /** Fields that only others changed. */
  taken: (keyof V & string)[];
  /** Fields that both changed, to different values. */
  clashing: (keyof V & string)[];
}

/** Equal as the wire sees it: by content, not by identity; the order of an object's keys does not count. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) {
    return true;
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) {
    return false;
  }
  const [left, right] = [a as Values, b as Values];
  const names = Object.keys(left);
  return names.length === Object.keys(right).length && names.every(name => name in right && same(left[name], right[name]));
}

/** The fields whose value differs from the one read. */
export function changedFields<V extends object>(base: V, now: V): (keyof V & string)[] {
  return (Object.keys(now) as (keyof V & string)[]).filter(name => !same(base[name], now[name]));
}

/** Only what was changed: what a PATCH sends. */
export function changesOf<V extends object>(base: V, now: V): Partial<V> {
  return Object.fromEntries(changedFields(base, now).map(name => [name, now[name]])) as Partial<V>;
}

export function merge<V extends object>(base: V, mine: V, theirs: V): Merged<V> {
  const changedByMe = new Set(changedFields(base, mine));
  const changedByThem = changedFields(base, theirs);
  const values = { ...theirs };
  for (const name of changedByMe) {
    values[name] = mine[name];
  }
  return {
    values,
    taken: changedByThem.filter(name => !changedByMe.has(name)),
    clashing: changedByThem.filter(name => changedByMe.has(name) && !same(mine[name], theirs[name]))
  };
}
