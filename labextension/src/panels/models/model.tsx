/** One model: its versions with metrics, files, signature and lineage; deploy and delete. */
import { useEffect, useState, type JSX } from 'react';
import type { Model, ModelVersion } from '../../api/types';
import { AsCode } from '../../components/ascode';
import { Button, Card, IconButton, Time } from '../../components/basics';
import { DetailPage } from '../../components/detailpage';
import { Dialog } from '../../components/dialog';
import { Empty, ErrorView, SkeletonPage, toast } from '../../components/feedback';
import { Icon } from '../../components/icons';
import { ShareButton } from '../../components/sharing';
import { Lineage, type LineageNode } from '../../components/lineage';
import { formatBytes, formatValue } from '../../domain/format';
import { useFrame, useTab } from '../../frame';
import { t } from '../../i18n';
import { useCan } from '../../queries/account';
import { useDeleteModel, useDeleteVersion, useModel, useModelVersions } from '../../queries/models';
import { useMay } from '../../queries/shares';
import type { PanelProps } from '../registry';

export default function ModelPanel({ args }: PanelProps): JSX.Element {
  const id = Number(args['id']);
  const model = useModel(id);
  const tab = useTab();
  const name = model.data?.name;
  useEffect(() => {
    if (name) {
      tab.setTitle(name);
    }
    // The tab object is new at each rendering.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [name]);
  if (model.error && !model.data) {
    return <ErrorView error={model.error} onRetry={() => void model.refetch()} />;
  }
  return model.data ? <ModelPage model={model.data} /> : <SkeletonPage />;
}

function ModelPage({ model }: { model: Model }): JSX.Element {
  const { open } = useFrame();
  const tab = useTab();
  const can = useCan();
  const { may } = useMay('model', model);
  const versions = useModelVersions(model.id);
  const [deleting, setDeleting] = useState(false);
  const remove = useDeleteModel(() => tab.close());
  const all = versions.data ?? [];
  const chosen = all.find(one => one.version === tab.args['view.version']) ?? all[0];
  return (
    <>
      <DetailPage
        title={model.name}
        aside={<span className="hm-muted hm-ell">{[model.format, model.owner.name].filter(Boolean).join(' · ')}</span>}
        actions={
          <>
            {chosen && can('serve.service.edit') && (
              <Button look="primary" icon="pulse" onClick={() => open('newservice', { model: model.id, version: chosen.version })}>
                {t('model.deploy', { version: chosen.version })}
              </Button>
            )}
            <AsCode
              forms={{
                magic: `%deploy ${model.name}@${chosen?.version ?? 'V0001'} --name ${model.name}`,
                python: `import himalia\nmodel = himalia.models.get("${model.name}")\nlist(model.all_versions())`,
                cli: `himalia models versions ${model.name}`,
                http: `GET /services/himalia/api/v1/models/${model.id}/versions`
              }}
            />
            <ShareButton thing={{ ...model, kind: 'model' }} />
            {may('model.model.delete') && (
              <IconButton icon="trash" label={t('model.delete')} onClick={() => setDeleting(true)} />
            )}
          </>
        }
        tabs={[
          {
            id: 'versions',
            label: t('model.versions'),
            count: all.length,
            render: () =>
              chosen ? (
                <div className="hm-board">
                  <VersionList versions={all} chosen={chosen} onChoose={version => tab.setView({ 'view.version': version })} />
                  <VersionCards model={model} version={chosen} />
                </div>
              ) : (
                <Empty icon="cube" title={t('model.noVersions')}>
                  {t('model.emptyHint')}
                </Empty>
              )
          }
        ]}
      />
      {deleting && (
        <Dialog
          title={t('model.delete')}
          accept={t('action.delete')}
          danger
          busy={remove.isPending}
          error={remove.error}
          onAccept={() => remove.mutate(model.id)}
          onClose={() => {
            remove.reset();
            setDeleting(false);
          }}
        >
          <p>{t('model.deleteAsk', { name: model.name, count: all.length })}</p>
        </Dialog>
      )}
    </>
  );
}

function VersionList(props: { versions: ModelVersion[]; chosen: ModelVersion; onChoose: (version: string) => void }): JSX.Element {
  return (
    <Card title={t('model.versions')} className="hm-w4" flush>
      <ul className="hm-pick" role="listbox" aria-label={t('model.versions')}>
        {props.versions.map(version => (
          <li key={version.version} role="option" aria-selected={version === props.chosen}>
            <button type="button" className={version === props.chosen ? 'hm-on' : ''} onClick={() => props.onChoose(version.version)}>
              <b>{version.version}</b>
              {version.aliases.map(alias => (
                <span key={alias} className="hm-chip">
                  {alias}
                </span>
              ))}
              <span className="hm-grow" />
              <span className="hm-muted">
                <Time at={version.created_at} />
              </span>
            </button>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function VersionCards({ model, version }: { model: Model; version: ModelVersion }): JSX.Element {
  const { client } = useFrame();
  const can = useCan();
  const remove = useDeleteVersion(model.id, () => toast(t('model.versionDeleted', { version: version.version })));
  const metrics = Object.entries(version.metrics);
  return (
    <div className="hm-w8 hm-stack">
      <Card title={t('model.metrics')} aside={version.description && <span className="hm-muted hm-sm">{version.description}</span>}>
        {metrics.length === 0 ? (
          <p className="hm-muted">{t('chart.empty')}</p>
        ) : (
          <dl className="hm-factlist">
            {metrics.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd className="hm-num">{formatValue(value)}</dd>
              </div>
            ))}
          </dl>
        )}
      </Card>
      <Card title={t('train.lineage')}>
        <VersionLineage version={version} />
        {version.lineage.label_authors.length > 0 && (
          <p className="hm-muted hm-sm">{t('model.labelledBy', { names: version.lineage.label_authors.join(', ') })}</p>
        )}
      </Card>
      <Card
        title={t('model.files')}
        flush
        aside={<span className="hm-muted hm-sm">{formatBytes(version.bytes)}</span>}
      >
        <ul className="hm-filelist">
          {version.files.map(file => (
            <li key={file.path}>
              <Icon name="folder" />
              <span className="hm-grow hm-ell">{file.path}</span>
              <span className="hm-muted hm-num">{formatBytes(file.size)}</span>
              <a
                className="hm-link"
                href={client.url(`/models/${model.id}/versions/${version.version}/files/${encodeURIComponent(file.path)}`)}
                download={file.path.split('/').pop()}
              >
                {t('action.download')}
              </a>
            </li>
          ))}
        </ul>
      </Card>
      {version.labels && (
        <Card title={t('model.labels')}>
          <p>{version.labels.join(' · ')}</p>
        </Card>
      )}
      {remove.error && <ErrorView error={remove.error} />}
      {can('model.model.delete') && (
        <div className="hm-row">
          <span className="hm-grow" />
          <Button small look="danger" icon="trash" busy={remove.isPending} onClick={() => remove.mutate(version.version)}>
            {t('model.deleteVersion', { version: version.version })}
          </Button>
        </div>
      )}
    </div>
  );
}

function VersionLineage({ version }: { version: ModelVersion }): JSX.Element {
  const { open } = useFrame();
  const { dataset, dataset_version, algorithm, run } = version.lineage;
  const first: LineageNode[] = [];
  if (dataset) {
    first.push({
      id: 'd',
      title: dataset.name,
      note: t('train.note.data', { version: dataset_version ?? '' }),
      onOpen: () => open('dataset', { id: dataset.id })
    });
  }
  if (algorithm) {
    first.push({ id: 'a', title: algorithm.name, note: t('train.algorithm') });
  }
  const columns: LineageNode[][] = first.length ? [first] : [];
  if (run) {
    columns.push([{ id: 'r', title: run.name, note: t('kind.run'), onOpen: () => open('run', { id: run.id }) }]);
  }
  columns.push([{ id: 'm', title: version.model.name, note: version.version, current: true }]);
  return <Lineage label={t('train.lineage')} columns={columns} />;
}
