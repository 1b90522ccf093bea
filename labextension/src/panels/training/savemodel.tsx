/** Keeps a run's model output as a version of a new or an existing model. */
import { useState, type JSX } from 'react';
import type { ModelVersion, Run } from '../../api/types';
import { Dialog } from '../../components/dialog';
import { SelectField, TextField, fieldError } from '../../components/fields';
import { t } from '../../i18n';
import { useModels } from '../../queries/models';
import { useSaveModel } from '../../queries/training';

export function SaveModel(props: { run: Run; onClose: () => void; onSaved: (version: ModelVersion) => void }): JSX.Element {
  const models = useModels({ sort: 'name' });
  const [target, setTarget] = useState('');
  const [name, setName] = useState(props.run.job.name);
  const [description, setDescription] = useState('');
  const save = useSaveModel(props.run.id, props.onSaved);
  const submit = () =>
    save.mutate(target ? { model_id: Number(target), description } : { model_name: name, description });
  return (
    <Dialog
      title={t('train.saveModel')}
      accept={t('action.save')}
      busy={save.isPending}
      disabled={!target && !name}
      error={save.error}
      onAccept={submit}
      onClose={props.onClose}
    >
      <SelectField
        label={t('train.saveInto')}
        value={target}
        options={[
          { value: '', label: t('train.newModel') },
          ...models.items.map(model => ({ value: String(model.id), label: model.name }))
        ]}
        onChange={setTarget}
      />
      {!target && (
        <TextField
          label={t('train.modelName')}
          value={name}
          limit={64}
          error={fieldError(save.error, 'model_name') ?? fieldError(save.error, 'name')}
          onChange={setName}
        />
      )}
      <TextField label={t('train.description')} optional limit={100} value={description} onChange={setDescription} />
    </Dialog>
  );
}
