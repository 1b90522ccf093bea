/** The form for a new dataset; labels can be chosen from a group or simply typed. */
import { useState, type JSX } from 'react';
import type { LabelGroup } from '../../api/types';
import { AsCode } from '../../components/ascode';
import { Button, LabelDot } from '../../components/basics';
import { ErrorLine } from '../../components/feedback';
import { AreaField, RadioCards, SelectField, TextField, fieldError } from '../../components/fields';
import { labelsFromText } from '../../domain/labels';
import { useFrame, useTab } from '../../frame';
import { t } from '../../i18n';
import { useChange } from '../../queries/common';
import { useCreateDataset, useLabelGroups, type DatasetDraft, type LabelGroupDraft } from '../../queries/data';
import { LabelChips } from '../labels/list';

const NEW = 'new';

export default function NewDataset(): JSX.Element {
  const { open } = useFrame();
  const tab = useTab();
  const groups = useLabelGroups({ type: 'vision', sort: 'name', limit: '200' });
  const [name, setName] = useState('');
  const [many, setMany] = useState<'single' | 'multi'>('single');
  const [picked, setPicked] = useState('');
  const [typed, setTyped] = useState('');
  const [scenario, setScenario] = useState('');
  const [description, setDescription] = useState('');
  const choice = picked || (groups.items.length ? String(groups.items[0]?.id) : NEW);
  const labels = labelsFromText(typed);
  const group = groups.items.find(one => String(one.id) === choice);

  const create = useCreateDataset(dataset => {
    open('dataset', { id: dataset.id });
    tab.close();
  });
  const makeGroup = useChange<LabelGroupDraft, LabelGroup>(['label_group'], (client, draft) => client.post('/label-groups', draft), {
    quiet: true
  });
  const error = create.error ?? makeGroup.error;
  const draft = (labelGroup: number): DatasetDraft => ({
    name,
    data_type: 'image',
    annotation_type: 'classification',
    multi_label: many === 'multi',
    label_group_id: labelGroup,
    scenario,
    description
  });
  const submit = async () => {
    create.reset();
    makeGroup.reset();
    let id = group?.id;
    if (choice === NEW) {
      // Made before the dataset; when the dataset is then refused, the next try uses this group instead of a second one.
      const made = await makeGroup
        .mutateAsync({ name, type: 'vision', description: '', labels })
        .catch(() => undefined);
      id = made?.id;
      if (made) {
        setPicked(String(made.id));
      }
    }
    if (id !== undefined) {
      create.mutate(draft(id));
    }
  };
  const busy = create.isPending || makeGroup.isPending;
  const complete = !!name.trim() && (choice === NEW ? labels.length > 0 : !!group);
  return (
    <form
      className="hm-page"
      onSubmit={event => {
        event.preventDefault();
        void submit();
      }}
    >
      <header className="hm-head">
        <h1>{t('dataset.new.title')}</h1>
        <span className="hm-grow" />
        <AsCode
          forms={{
            python: `import himalia\n\nhimalia.create_dataset(${JSON.stringify(name || 'name')}, labels=[${(group?.labels ?? labels).map(label => JSON.stringify(label.name)).join(', ')}]${many === 'multi' ? ', multi_label=True' : ''})`,
            cli: `himalia datasets create ${name || 'NAME'}${many === 'multi' ? ' --multi-label' : ''} --label-group ${group?.id ?? 'ID'}`,
            http: `POST /services/himalia/api/v1/datasets\n\n${JSON.stringify(draft(group?.id ?? 0), null, 2)}`
          }}
        />
      </header>
      <div className="hm-form">
        <TextField
          label={t('dataset.field.name')}
          value={name}
          limit={50}
          autoFocus
          required
          hint={t('dataset.field.nameHint')}
          error={fieldError(error, 'name')}
          onChange={setName}
        />
        <RadioCards
          label={t('dataset.field.kind')}
          value={many}
          onChange={setMany}
          options={[
            { value: 'single', title: t('dataset.kind.single'), note: t('dataset.kind.singleNote') },
            { value: 'multi', title: t('dataset.kind.multi'), note: t('dataset.kind.multiNote') }
          ]}
        />
        <SelectField
          label={t('dataset.field.labels')}
          hint={group ? <LabelChips group={group} limit={12} /> : t('dataset.field.labelsHint')}
          error={fieldError(error, 'label_group_id')}
          value={choice}
          onChange={setPicked}
          options={[
            ...groups.items.map(one => ({
              value: String(one.id),
              label: `${one.name} (${t('labels.count', { count: one.labels.length })})`
            })),
            { value: NEW, label: t('dataset.labels.new') }
          ]}
        />
        {choice === NEW && (
          <>
            <AreaField
              label={t('dataset.field.newLabels')}
              hint={t('dataset.field.newLabelsHint')}
              error={fieldError(error, 'labels')}
              rows={4}
              value={typed}
              onChange={setTyped}
            />
            {labels.length > 0 && (
              <span className="hm-labelchips">
                {labels.map(label => (
                  <span key={label.name}>
                    <LabelDot colour={label.colour} />
                    {label.name}
                  </span>
                ))}
              </span>
            )}
          </>
        )}
        <div className="hm-two">
          <TextField
            label={t('dataset.field.scenario')}
            optional
            value={scenario}
            limit={64}
            error={fieldError(error, 'scenario')}
            onChange={setScenario}
          />
          <TextField
            label={t('dataset.field.description')}
            optional
            value={description}
            limit={100}
            error={fieldError(error, 'description')}
            onChange={setDescription}
          />
        </div>
        {!!error && !['name', 'label_group_id', 'labels', 'scenario', 'description'].some(field => fieldError(error, field)) && (
          <ErrorLine error={error} />
        )}
      </div>
      <footer className="hm-formfoot">
        <Button type="submit" look="primary" busy={busy} disabled={!complete}>
          {t('dataset.create')}
        </Button>
        <Button onClick={() => tab.close()}>{t('action.cancel')}</Button>
      </footer>
    </form>
  );
}
