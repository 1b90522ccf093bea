import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState, type JSX } from 'react';
import { describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../api/errors';
import { renderPanel } from '../../testing/render';
import { RecordForm, type RecordFormProps } from './form';
import { LeaveGuard, useLeave } from './guard';

interface Values {
  name: string;
  description: string;
  seats: number | null;
}

const FIRST: Values = { name: 'vision', description: 'old', seats: 3 };
const refusal = (status: number, problem: object = {}) => new ApiError({ title: 'Refused', status, code: 'x', ...problem });

function show(props: Partial<RecordFormProps<Values>> = {}) {
  return renderPanel(
    () => (
      <LeaveGuard>
        <RecordForm<Values>
          stored={{ values: FIRST, version: 4 }}
          groups={[
            {
              id: 'facts',
              fields: [
                { name: 'name', type: 'text', label: 'Name' },
                { name: 'description', type: 'area', label: 'Description' },
                { name: 'seats', type: 'number', label: 'Seats', wire: 'limits.seats' }
              ]
            }
          ]}
          save={() => Promise.resolve()}
          reload={() => Promise.resolve({ values: FIRST, version: 4 })}
          accept="Save"
          {...props}
        />
        <Away />
      </LeaveGuard>
    ),
    {}
  );
}

function Away(): JSX.Element {
  const leave = useLeave();
  const [gone, setGone] = useState(false);
  return gone ? <p>Gone</p> : <button onClick={() => leave(() => setGone(true))}>Away</button>;
}

const type = async (label: string, text: string) => {
  await userEvent.clear(screen.getByLabelText(label));
  await userEvent.type(screen.getByLabelText(label), text);
};

describe('the form of a record', () => {
  it('sends only what changed, under the version that was read', async () => {
    const save = vi.fn(() => Promise.resolve());
    show({ save });
    expect(screen.getByRole('button', { name: 'Save' })).toBeDisabled();
    await type('Name', 'sight');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    await waitFor(() => expect(save).toHaveBeenCalledWith({ ...FIRST, name: 'sight' }, { name: 'sight' }, 4));
    await waitFor(() => expect(screen.getByRole('button', { name: 'Save' })).toBeDisabled());
  });

  it('saves by keyboard', async () => {
    const save = vi.fn(() => Promise.resolve());
    show({ save });
    await type('Name', 'sight');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await waitFor(() => expect(save).toHaveBeenCalledTimes(1));
  });

  it('shows a refusal at its field, by the name the platform gives it, and goes there', async () => {
    const save = () => Promise.reject(refusal(422, { field: 'limits.seats', rule: 'at most 2', detail: 'At most 2 seats.' }));
    show({ save });
    await type('Seats', '9');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    expect(await screen.findByText('At most 2 seats.')).toBeInTheDocument();
    expect(screen.getByLabelText('Seats')).toBeInvalid();
    expect(screen.getByLabelText('Name')).not.toBeInvalid();
    await waitFor(() => expect(screen.getByLabelText('Seats')).toHaveFocus());
    expect(screen.getByText('Look at the marked fields.')).toBeInTheDocument();
  });

  it('shows a refusal of no field of its own in whole', async () => {
    show({ save: () => Promise.reject(refusal(409, { detail: 'It holds notebooks.', field: 'elsewhere' })) });
    await type('Name', 'sight');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    expect(await screen.findByText('It holds notebooks.')).toBeInTheDocument();
  });

  it('GEN-7: keeps what was typed when somebody else saved first, and saves over the newer version', async () => {
    const seen: unknown[] = [];
    const save = vi.fn((_values: Values, changes: Partial<Values>, version: number | undefined) => {
      seen.push([changes, version]);
      return version === 4 ? Promise.reject(refusal(412)) : Promise.resolve();
    });
    show({ save, reload: () => Promise.resolve({ values: { name: 'eyes', description: 'new', seats: 3 }, version: 5 }) });
    await type('Name', 'sight');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    expect(await screen.findByText('Somebody saved this meanwhile')).toBeInTheDocument();
    expect(screen.getByText('Their changes are shown here: Description.')).toBeInTheDocument();
    expect(screen.getByText(/You both changed: Name\./)).toBeInTheDocument();
    expect(screen.getByLabelText('Name')).toHaveValue('sight');
    expect(screen.getByLabelText('Description')).toHaveValue('new');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    await waitFor(() => expect(seen).toEqual([[{ name: 'sight' }, 4], [{ name: 'sight' }, 5]]));
    await waitFor(() => expect(screen.queryByText('Somebody saved this meanwhile')).not.toBeInTheDocument());
  });

  it('GEN-7: takes theirs when asked', async () => {
    show({
      save: () => Promise.reject(refusal(412)),
      reload: () => Promise.resolve({ values: { ...FIRST, name: 'eyes' }, version: 5 })
    });
    await type('Name', 'sight');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    await userEvent.click(await screen.findByRole('button', { name: 'Take theirs' }));
    expect(screen.getByLabelText('Name')).toHaveValue('eyes');
    expect(screen.getByRole('button', { name: 'Save' })).toBeDisabled();
  });

  it('TEN-17: asks for a new proof of presence and goes on with what was typed', async () => {
    let proven = false;
    const save = vi.fn(() => (proven ? Promise.resolve() : Promise.reject(refusal(403, { code: 'step_up_required' }))));
    const stepUp = () => {
      proven = true;
      return Promise.resolve();
    };
    show({ save, stepUp });
    await type('Name', 'sight');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    await userEvent.click(await screen.findByRole('button', { name: 'Confirm identity' }));
    await waitFor(() => expect(save).toHaveBeenCalledTimes(2));
    await waitFor(() => expect(screen.queryByRole('button', { name: 'Confirm identity' })).not.toBeInTheDocument());
    expect(screen.getByLabelText('Name')).toHaveValue('sight');
  });

  it('asks before unsaved changes are lost, and only then', async () => {
    show();
    await type('Name', 'sight');
    await userEvent.click(screen.getByRole('button', { name: 'Away' }));
    expect(screen.getByText('What you changed here is not saved yet.')).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
    expect(screen.queryByText('Gone')).not.toBeInTheDocument();
    await type('Name', 'vision');
    await userEvent.click(screen.getByRole('button', { name: 'Away' }));
    expect(screen.getByText('Gone')).toBeInTheDocument();
  });

  it('loses them when told to', async () => {
    show();
    await type('Name', 'sight');
    await userEvent.click(screen.getByRole('button', { name: 'Away' }));
    await userEvent.click(screen.getByRole('button', { name: 'Discard' }));
    expect(screen.getByText('Gone')).toBeInTheDocument();
  });

  it('offers nothing to save where nothing may be changed', () => {
    show({ readOnly: true });
    expect(screen.getByLabelText('Name')).toBeDisabled();
    expect(screen.queryByRole('button', { name: 'Save' })).not.toBeInTheDocument();
  });
});
