import { describe, expect, it } from 'vitest';
import { acceleratorForms } from './forms';

const GIB = 2 ** 30;

describe('BEY-23: a wish as code', () => {
  it.each([
    [{ count: 1, memory_bytes: 24 * GIB, frameworks: [] }, 'himalia.Accelerator(24)', '24'],
    [{ count: 4, memory_bytes: 32 * GIB, frameworks: ['cuda', 'cann'] }, 'himalia.Accelerator(32, count=4, frameworks=("cuda", "cann",))', '4x32:cuda,cann'],
    [{ count: 1, memory_bytes: 1.5 * GIB, frameworks: ['cuda'] }, 'himalia.Accelerator(1.5, frameworks=("cuda",))', '1.5:cuda']
  ])('%o', (accelerator_wish, python, cli) => {
    expect(acceleratorForms({ accelerator_wish }, undefined)).toEqual({
      python: `, accelerator=${python}`,
      cli: ` --any-accelerator ${cli}`
    });
  });

  it('names a spec that was chosen, and nothing without one', () => {
    expect(acceleratorForms({}, 'one A100')).toEqual({ python: ', accelerator="one A100"', cli: ' --accelerator "one A100"' });
    expect(acceleratorForms(null, undefined)).toEqual({ python: '', cli: '' });
  });
});
