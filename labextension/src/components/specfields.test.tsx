import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, describe, expect, it } from 'vitest';
import type { AcceleratorOffer, AcceleratorWish, ResourceSpec, Verdict } from '../api/types';
import { setLanguage } from '../i18n';
import { Refuse, renderPanel, type Script } from '../testing/render';
import { SpecFields, useSpecChoice } from './specfields';

const GIB = 2 ** 30;
const spec = (id: number, name: string, more: Partial<ResourceSpec>): ResourceSpec => ({
  id,
  name,
  kind: 'basic',
  scenario: 'any',
  resources: { cpu_millis: 1000, memory_bytes: GIB, accelerators: {} },
  accelerator_label: null,
  price_per_hour_micros: 0,
  ...more
});
const card = (id: number, name: string, resource: string, price: number): ResourceSpec =>
  spec(id, name, {
    kind: 'gpu',
    resources: { cpu_millis: 0, memory_bytes: 0, accelerators: { [resource]: 1 } },
    price_per_hour_micros: price * 1e6
  });
const SPECS = [spec(1, 'basic', {}), card(2, 'one A100', 'nvidia.com/gpu', 30), card(3, 'one NPU', 'huawei.com/Ascend910', 10)];
const verdict = (kind: Verdict['verdict']): Verdict =>
  ({ verdict: kind, sentence: `${kind} it is`, sentence_zh: `${kind} 如此`, expected_start_at: null, uses: {}, levels: [] }) as unknown as Verdict;
const offer = (of: ResourceSpec, kind: Verdict['verdict'], more: Partial<AcceleratorOffer>): AcceleratorOffer => ({
  spec: of,
  form: 'gpu',
  framework: 'cuda',
  card: of.name,
  memory_bytes: 80 * GIB,
  verdict: verdict(kind),
  ...more
});
const [, A100, NPU] = SPECS as [ResourceSpec, ResourceSpec, ResourceSpec];
const BOTH = [offer(NPU, 'starts_now', { form: 'npu', framework: 'cann', memory_bytes: 32 * GIB }), offer(A100, 'waits', {})];

const INSTALLATION: Script = { 'GET /installation': () => ({ currency: { code: 'CNY', symbol: '¥', digits: 2 } }) };

/** Answers as the platform would: cards with enough memory in a framework that was named. */
const resolving: Script = {
  ...INSTALLATION,
  'POST /accelerators/resolve': ({ body }) => {
    const wish = body as AcceleratorWish;
    const offers = BOTH.filter(
      one => one.memory_bytes >= wish.memory_bytes && (!wish.frameworks.length || wish.frameworks.includes(one.framework))
    );
    const problem = {
      field: 'memory_bytes',
      rule: 'at most 80 GiB',
      sentence: 'the largest card here has 80 GiB.',
      sentence_zh: '此处最大的加速卡显存为 80 GiB。',
      hint: 'The nearest offer is one A100.',
      hint_zh: '最接近的规格为 one A100。',
      nearest: { id: 2, name: 'one A100' }
    };
    return {
      wish,
      offers,
      frameworks: ['cann', 'cuda'],
      why: 'It starts now; the others do not.',
      why_zh: '可立即启动，其余规格不能立即启动。',
      problem: offers.length ? null : problem
    };
  }
};

function Form() {
  const choice = useSpecChoice(SPECS, 'notebook');
  return (
    <>
      <SpecFields specs={SPECS} choice={choice} />
      <output>{JSON.stringify(choice.body)}</output>
      {choice.unmet && <em>unmet</em>}
    </>
  );
}

const body = (): unknown => JSON.parse(document.querySelector('output')?.textContent ?? 'null');

async function wishing(script: Script = resolving) {
  const rendered = renderPanel(() => <Form />, script);
  const user = userEvent.setup();
  await user.selectOptions(await screen.findByLabelText('Accelerator'), 'Any that suffices');
  return { ...rendered, user };
}

afterEach(() => setLanguage('en'));

describe('BEY-23: any accelerator that suffices', () => {
  it('shows what suffices with price and wait, the best chosen', async () => {
    const { requests } = await wishing();
    const rows = await screen.findAllByRole('radio');
    expect(rows.map(row => (row as HTMLInputElement).checked)).toEqual([true, false]);
    const list = screen.getByRole('group', { name: '2 offers suffice' });
    expect(within(list).getByText('1 × 32 GiB · CANN · NPU')).toBeInTheDocument();
    expect(within(list).getByText('Starts now')).toBeInTheDocument();
    expect(within(list).getByText('Waits')).toBeInTheDocument();
    expect(within(list).getByText('¥10.00/h')).toBeInTheDocument();
    expect(within(list).getByText(/It starts now; the others do not\./)).toBeInTheDocument();
    const asked = requests.find(one => one.path === '/accelerators/resolve')?.body;
    expect(asked).toEqual({ count: 1, memory_bytes: 24 * GIB, frameworks: [], spec_id: 1, scenario: 'notebook' });
    expect(body()).toEqual({ spec_id: 1, accelerator_wish: { count: 1, memory_bytes: 24 * GIB, frameworks: [] } });
  });

  it('starts with another offer by its name, and with the first by the wish again', async () => {
    const { user } = await wishing();
    const [first, second] = (await screen.findAllByRole('radio')) as [HTMLElement, HTMLElement];
    await user.click(second);
    expect(body()).toEqual({ spec_id: 1, accelerator_spec_id: 2 });
    expect(screen.getByText('This one is named instead of what is best at the start.')).toBeInTheDocument();
    await user.click(first);
    expect(body()).toHaveProperty('accelerator_wish');
  });

  it('asks anew for other frameworks, by the keyboard alone', async () => {
    const { user } = await wishing();
    const cuda = await screen.findByRole('button', { name: 'CUDA' });
    cuda.focus();
    await user.keyboard(' ');
    expect(cuda).toHaveAttribute('aria-pressed', 'true');
    expect(body(), 'nothing starts that is not shown').toBeNull();
    await waitFor(() => expect(screen.getAllByRole('radio')).toHaveLength(1));
    expect(body()).toEqual({ spec_id: 1, accelerator_wish: { count: 1, memory_bytes: 24 * GIB, frameworks: ['cuda'] } });
    expect(screen.getByRole('button', { name: 'CANN' })).toHaveAttribute('aria-pressed', 'false');
  });

  it('says what comes nearest where nothing suffices, and takes it', async () => {
    const { user } = await wishing();
    const memory = await screen.findByLabelText('Memory of each, at least');
    await user.clear(memory);
    await user.type(memory, '96');
    expect(await screen.findByText('the largest card here has 80 GiB.')).toBeInTheDocument();
    expect(screen.getByText('unmet')).toBeInTheDocument();
    expect(body()).toBeNull();
    await user.click(screen.getByRole('button', { name: 'Take one A100' }));
    expect(body()).toEqual({ spec_id: 1, accelerator_spec_id: 2 });
    expect(screen.queryByLabelText('Memory of each, at least')).toBeNull();
  });

  it('says in Chinese why', async () => {
    setLanguage('zh-CN');
    renderPanel(() => <Form />, resolving);
    await userEvent.selectOptions(await screen.findByLabelText('加速器'), '任意满足条件的加速器');
    expect(await screen.findByText(/其余规格不能立即启动/)).toBeInTheDocument();
  });

  it('offers another try when the platform does not answer', async () => {
    let fail = true;
    const { user } = await wishing({
      ...resolving,
      'POST /accelerators/resolve': request =>
        fail
          ? new Refuse(503, { code: 'backend_unavailable', detail: 'The machines are not known yet.' })
          : resolving['POST /accelerators/resolve']?.(request)
    });
    expect(await screen.findByText('Himalia cannot be reached')).toBeInTheDocument();
    fail = false;
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findAllByRole('radio')).toHaveLength(2);
  });
});
