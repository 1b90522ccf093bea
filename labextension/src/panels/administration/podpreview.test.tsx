import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { Refuse, member, renderPanel } from '../../testing/render';
import { PodPreview } from './podpreview';

const SPEC = { kind: 'basic', cpu_millis: 500, memory_bytes: 1024, accelerators: {} };
const SIZE = { ...SPEC, name: 'small', scenario: 'any' };
const answer = (profile: unknown) => ({
  backend: 'kubernetes',
  yaml: `kind: Pod # ${String(profile)}`,
  profiles: [{ slug: 'shm', name: 'Big shared memory' }],
  hooks_not_run: ['pre_spawn_hook']
});

it('NB-3: shows the pod of a size that is not saved, for each profile', async () => {
  const { requests } = renderPanel(() => <PodPreview size={SIZE} />, {
    'GET /me': () => member(),
    'POST /pod-preview': ({ body }) => answer((body as { profile?: string }).profile)
  });
  await userEvent.click(screen.getByRole('button', { name: 'Show the pod' }));
  expect(await screen.findByText('kind: Pod # undefined')).toBeInTheDocument();
  expect(screen.getByText(/pre_spawn_hook/)).toBeInTheDocument();
  await userEvent.selectOptions(screen.getByLabelText('Profile'), 'shm');
  expect(await screen.findByText('kind: Pod # shm')).toBeInTheDocument();
  expect(requests.filter(one => one.path === '/pod-preview').map(one => one.body)).toEqual([{ spec: SPEC }, { spec: SPEC, profile: 'shm' }]);
});

it('says why a size can never be a pod', async () => {
  renderPanel(() => <PodPreview size={SIZE} />, {
    'GET /me': () => member(),
    'POST /pod-preview': () => new Refuse(409, { title: 'Conflict', code: 'plan', detail: 'huawei.com/Ascend910 is given in counts of 1, 2, 4, 8' })
  });
  await userEvent.click(screen.getByRole('button', { name: 'Show the pod' }));
  await waitFor(() => expect(screen.getByText(/counts of 1, 2, 4, 8/)).toBeInTheDocument());
});
