// @vitest-environment node
import { describe, expect, it } from 'vitest';
import { labelsFromJson, labelsFromText, labelsToJson } from './labels';

describe('DAT-7: labels as people write them', () => {
  it('takes lines and commas of both scripts, each name once', () => {
    expect(labelsFromText('cat, dog\n cat，鸟；鱼').map(label => label.name)).toEqual(['cat', 'dog', '鸟', '鱼']);
  });

  it('gives every label another colour and key', () => {
    const labels = labelsFromText('a b,c,d,e,f,g,h,i,j,k');
    expect(new Set(labels.map(label => label.colour)).size).toBe(10);
    expect(new Set(labels.map(label => label.key)).size).toBe(10);
  });

  it('lets digits be typed as themselves', () => {
    const labels = labelsFromText('ship,0,1,2');
    expect(labels.map(label => label.key)).toEqual(['3', '0', '1', '2']);
  });

  it('keeps the ids of labels that are there, so that pictures keep them', () => {
    const present = [{ id: 7, name: 'cat', colour: '#111111', key: '1' }];
    const read = labelsFromJson('[{"name": "cat", "color": "#222222"}, {"name": "dog"}]', present);
    expect(read).toMatchObject([{ id: 7, name: 'cat', colour: '#222222', key: null }, { name: 'dog' }]);
    expect(read).not.toHaveProperty('1.id');
  });

  it.each([
    ['{"name": "cat"}', { problem: 'list' }],
    ['[{"name": "cat"}, {"colour": "#fff"}]', { problem: 'name', number: 2 }],
    ['[', { problem: 'syntax' }]
  ])('says what is wrong with %s', (text, problem) => {
    expect(labelsFromJson(text, [])).toMatchObject(problem);
  });

  it('reads what it writes', () => {
    const labels = labelsFromText('猫, dog');
    expect(labelsFromJson(labelsToJson(labels), [])).toEqual(labels);
  });
});
