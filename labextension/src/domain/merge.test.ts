import { describe, expect, it } from 'vitest';
import { changedFields, changesOf, merge, same } from './merge';

describe('GEN-7: two people edit one record', () => {
  const base = { name: 'vision', description: 'old', roles: ['member'] };

  it('takes what only they changed and keeps what only I changed', () => {
    const merged = merge(base, { ...base, name: 'sight' }, { ...base, description: 'new' });
    expect(merged.values).toEqual({ name: 'sight', description: 'new', roles: ['member'] });
    expect(merged.taken).toEqual(['description']);
    expect(merged.clashing).toEqual([]);
  });

  it('names what both changed and keeps what I typed', () => {
    const merged = merge(base, { ...base, name: 'sight' }, { ...base, name: 'eyes' });
    expect(merged.values.name).toBe('sight');
    expect(merged.clashing).toEqual(['name']);
    expect(merged.taken).toEqual([]);
  });

  it('sees no clash where both wrote the same', () => {
    const merged = merge(base, { ...base, roles: ['auditor'] }, { ...base, roles: ['auditor'] });
    expect(merged.clashing).toEqual([]);
    expect(merged.values.roles).toEqual(['auditor']);
  });
});

describe('what is sent', () => {
  it('is only what was changed, by content and not by identity', () => {
    const read = { limits: { cpu: 1, memory: 2 }, names: ['a'], note: '' };
    expect(changedFields(read, { limits: { memory: 2, cpu: 1 }, names: ['a'], note: '' })).toEqual([]);
    expect(changesOf(read, { ...read, names: ['a', 'b'] })).toEqual({ names: ['a', 'b'] });
  });

  it.each([
    [null, {}, false],
    [[], {}, false],
    [{ a: undefined }, { b: undefined }, false],
    [[1, 2], [2, 1], false],
    [{ a: [1] }, { a: [1] }, true]
  ])('compares %j with %j', (a, b, equal) => {
    expect(same(a, b)).toBe(equal);
  });
});
