/** A label group: made or edited by form, as JSON, or from a .json file. */
import { useRef, useState, type JSX } from 'react';
import { Button, IconButton, Segment } from '../../components/basics';
import { ErrorLine, ErrorView, SkeletonPage, toast } from '../../components/feedback';
import { AreaField, SelectField, TextField, fieldError } from '../../components/fields';
import { isApiError } from '../../api/errors';
import type { LabelGroup } from '../../api/types';
import { labelsFromJson, labelsToJson, nextColour, nextKey, type LabelDraft } from '../../domain/labels';
import { useTab, useTitle } from '../../frame';
import { t } from '../../i18n';
import {
  useLabelGroup,
  usePresetLabels,
  useSaveLabelGroup,
  type LabelGroupDraft
} from '../../queries/data';
import type { PanelProps } from '../registry';

const EMPTY: LabelGroupDraft = { name: '', type: 'vision', description: '', labels: [] };

export default function LabelGroupPanel({ args }: PanelProps): JSX.Element {
  const id = typeof args['id'] === 'number' ? args['id'] : null;
  const group = useLabelGroup(id);
  if (id !== null && group.isLoading) {
    return <SkeletonPage />;
  }
  if (group.error && !group.data) {
    return <ErrorView error={group.error} onRetry={() => void group.refetch()} />;
  }
  return <Editor key={id ?? 'new'} group={group.data ?? null} />;
}

const draftOf = (group: LabelGroup | null): LabelGroupDraft =>
  group
    ? { name: group.name, type: group.type, description: group.description, labels: group.labels.map(label => ({ ...label })) }
    : EMPTY;

function Editor({ group }: { group: LabelGroup | null }): JSX.Element {
  const tab = useTab();
  const [draft, setDraft] = useState(() => draftOf(group));
  const [mode, setMode] = useState<'form' | 'json'>('form');
  // The version that was read when editing began: a colleague's save in between is refused, not overwritten.
  const [version, setVersion] = useState(group?.version);
  const presets = usePresetLabels();
  const save = useSaveLabelGroup(group?.id ?? null, version, saved => {
    toast(t('labels.saved', { name: saved.name }));
    if (group) {
      setDraft(draftOf(saved));
      setVersion(saved.version);
    } else {
      tab.close();
    }
  });
  const title = group?.name ?? t('labels.new');
  useTitle(group?.name);
  const stale = isApiError(save.error) && save.error.status === 412;
  const removed = group?.used_by
    ? group.labels.some(label => !draft.labels.some(kept => kept.id === label.id || kept.name === label.name))
    : false;
  const changed = JSON.stringify(draft) !== JSON.stringify(draftOf(group));
  return (
    <div className="hm-page">
      <header className="hm-head">
        <h1>{title}</h1>
        <span className="hm-muted">{t('labels.count', { count: draft.labels.length })}</span>
        <span className="hm-grow" />
        <FileButton onLabels={labels => setDraft({ ...draft, labels })} present={draft.labels} />
        <Segment
          label={t('labels.column.labels')}
          value={mode}
          onChange={setMode}
          options={[
            { value: 'form', label: t('labels.form') },
            { value: 'json', label: t('labels.json') }
          ]}
        />
      </header>
      <div className="hm-form">
        <div className="hm-two">
          <TextField
            label={t('labels.field.name')}
            value={draft.name}
            limit={50}
            error={fieldError(save.error, 'name')}
            onChange={name => setDraft({ ...draft, name })}
          />
          {group ? (
            <TextField label={t('labels.field.type')} value={t(`labels.type.${draft.type}`)} readOnly onChange={() => undefined} />
          ) : (
            <SelectField
              label={t('labels.field.type')}
              value={draft.type}
              onChange={type => setDraft({ ...draft, type })}
              options={(['vision', 'text', 'audio'] as const).map(value => ({ value, label: t(`labels.type.${value}`) }))}
            />
          )}
        </div>
        <TextField
          label={t('labels.field.description')}
          value={draft.description}
          limit={100}
          optional
          error={fieldError(save.error, 'description')}
          onChange={description => setDraft({ ...draft, description })}
        />
        {!group && (presets.data?.length ?? 0) > 0 && (
          <SelectField
            label={t('labels.start')}
            value=""
            onChange={name => {
              const preset = presets.data?.find(one => one.preset === name);
              if (preset) {
                setDraft({
                  name: draft.name || preset.name,
                  type: preset.type,
                  description: draft.description,
                  labels: preset.labels.map(label => ({ ...label }))
                });
              }
            }}
            options={[
              { value: '', label: t('labels.start.none') },
              ...(presets.data ?? []).map(preset => ({
                value: preset.preset,
                label: `${preset.name} (${t('labels.count', { count: preset.labels.length })})`
              }))
            ]}
          />
        )}
        {mode === 'form' ? (
          <LabelRows draft={draft} error={save.error} onChange={labels => setDraft({ ...draft, labels })} />
        ) : (
          <JsonEditor labels={draft.labels} onChange={labels => setDraft({ ...draft, labels })} />
        )}
        {removed && <p className="hm-wait hm-sm">{t('labels.removedUsed')}</p>}
        {save.error && (!fieldError(save.error, 'name') || stale) && <ErrorLine error={save.error} />}
      </div>
      <footer className="hm-formfoot">
        <Button look="primary" busy={save.isPending} disabled={!draft.name || !changed} onClick={() => save.mutate(draft)}>
          {group ? t('action.save') : t('action.create')}
        </Button>
        <Button onClick={() => (group && changed ? setDraft(draftOf(group)) : tab.close())}>{t('action.cancel')}</Button>
      </footer>
    </div>
  );
}

function LabelRows(props: {
  draft: LabelGroupDraft;
  error: unknown;
  onChange: (labels: LabelDraft[]) => void;
}): JSX.Element {
  const { labels } = props.draft;
  const list = useRef<HTMLDivElement>(null);
  const set = (at: number, changes: Partial<LabelDraft>) =>
    props.onChange(labels.map((label, index) => (index === at ? { ...label, ...changes } : label)));
  const move = (at: number, by: number) => {
    const next = [...labels];
    const [label] = next.splice(at, 1);
    if (label) {
      next.splice(at + by, 0, label);
      props.onChange(next);
    }
  };
  const add = () => {
    props.onChange([...labels, { name: '', colour: nextColour(labels), key: nextKey(labels) }]);
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>('.hm-labelrow:last-of-type input[type=text]')?.focus());
  };
  return (
    <div className="hm-labelrows" ref={list}>
      {labels.map((label, at) => {
        const name = label.name || t('labels.name');
        const wrong = fieldError(props.error, `labels[${at}]`);
        return (
          <div className="hm-labelrow" key={label.id ?? `new-${at}`}>
            <input
              type="color"
              value={label.colour}
              aria-label={t('labels.colour', { name })}
              onChange={event => set(at, { colour: event.target.value })}
            />
            <input
              type="text"
              className="hm-input"
              value={label.name}
              aria-label={t('labels.name')}
              aria-invalid={!!wrong || undefined}
              placeholder={t('labels.name')}
              onChange={event => set(at, { name: event.target.value })}
              onKeyDown={event => event.key === 'Enter' && add()}
            />
            <input
              type="text"
              className="hm-input hm-keyinput"
              value={label.key ?? ''}
              maxLength={1}
              aria-label={t('labels.key', { name })}
              placeholder={t('labels.keyShort')}
              onChange={event => set(at, { key: event.target.value.trim() || null })}
            />
            <IconButton icon="up" small label={t('labels.moveUp', { name })} disabled={at === 0} onClick={() => move(at, -1)} />
            <IconButton
              icon="down"
              small
              label={t('labels.moveDown', { name })}
              disabled={at === labels.length - 1}
              onClick={() => move(at, 1)}
            />
            <IconButton
              icon="trash"
              small
              label={t('labels.remove', { name })}
              onClick={() => props.onChange(labels.filter((_, index) => index !== at))}
            />
            {wrong && <p className="hm-fail hm-sm" role="alert">{wrong}</p>}
          </div>
        );
      })}
      <Button icon="plus" onClick={add}>
        {t('labels.add')}
      </Button>
    </div>
  );
}

function words(problem: Exclude<ReturnType<typeof labelsFromJson>, LabelDraft[]>): string {
  const why =
    problem.problem === 'syntax'
      ? problem.why
      : problem.problem === 'list'
        ? t('labels.jsonNoList')
        : t('labels.jsonNoName', { number: problem.number });
  return t('labels.jsonBad', { why });
}

function JsonEditor(props: { labels: readonly LabelDraft[]; onChange: (labels: LabelDraft[]) => void }): JSX.Element {
  const [text, setText] = useState(() => labelsToJson(props.labels));
  const read = labelsFromJson(text, props.labels);
  return (
    <AreaField
      label={t('labels.json')}
      hint={t('labels.jsonHint')}
      error={Array.isArray(read) ? undefined : words(read)}
      className="hm-mono"
      rows={18}
      spellCheck={false}
      value={text}
      onChange={next => {
        setText(next);
        const labels = labelsFromJson(next, props.labels);
        if (Array.isArray(labels)) {
          props.onChange(labels);
        }
      }}
    />
  );
}

function FileButton(props: { present: readonly LabelDraft[]; onLabels: (labels: LabelDraft[]) => void }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const take = async (file: File | undefined) => {
    if (file) {
      const read = labelsFromJson(await file.text(), props.present);
      if (Array.isArray(read)) {
        props.onLabels(read);
      } else {
        toast(words(read));
      }
    }
  };
  return (
    <>
      <Button icon="upload" onClick={() => input.current?.click()}>
        {t('labels.import')}
      </Button>
      <input
        ref={input}
        type="file"
        accept="application/json,.json"
        hidden
        onChange={event => {
          void take(event.target.files?.[0]);
          event.target.value = '';
        }}
      />
    </>
  );
}
