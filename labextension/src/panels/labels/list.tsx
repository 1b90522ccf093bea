/** The list of label groups. */
import { useState, type JSX } from 'react';
import type { LabelGroup } from '../../api/types';
import { Button, LabelDot, Time } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { Empty, toast } from '../../components/feedback';
import { ListPage, useListView, type Filter } from '../../components/listpage';
import { Menu } from '../../components/menu';
import { OwnerNote, SHARED, ShareDialog, SharedSegment } from '../../components/sharing';
import type { Column } from '../../components/table';
import { AsCode } from '../../components/ascode';
import { formatNumber } from '../../domain/format';
import { useFrame } from '../../frame';
import { t } from '../../i18n';
import { useCan, useMe } from '../../queries/account';
import { useCopyLabelGroup, useDeleteLabelGroup, useLabelGroups } from '../../queries/data';

const SHOWN_LABELS = 6;

export const LABEL_CODE = {
  python: 'import himalia\n\nfor group in himalia.label_groups():\n    print(group.name, [label.name for label in group.labels])',
  cli: 'himalia label-groups list --json',
  http: 'GET /services/himalia/api/v1/label-groups'
};

export function LabelChips({ group, limit = SHOWN_LABELS }: { group: Pick<LabelGroup, 'labels'>; limit?: number }): JSX.Element {
  return (
    <span className="hm-labelchips">
      {group.labels.slice(0, limit).map(label => (
        <span key={label.id}>
          <LabelDot colour={label.colour} />
          {label.name}
        </span>
      ))}
      {group.labels.length > limit && <span className="hm-muted">+{group.labels.length - limit}</span>}
    </span>
  );
}

export default function LabelGroups(): JSX.Element {
  const { open } = useFrame();
  const filters: Filter[] = [
    {
      id: 'type',
      label: t('labels.field.type'),
      options: (['vision', 'text', 'audio'] as const).map(value => ({ value, label: t(`labels.type.${value}`) }))
    }
  ];
  const view = useListView([...filters, SHARED]);
  const can = useCan();
  const me = useMe().data;
  const edits = can('data.label_group.edit');
  const mine = (group: LabelGroup) => !group.preset && group.owner.id === me?.user.id;
  const list = useLabelGroups(view.query);
  const [deleting, setDeleting] = useState<LabelGroup | null>(null);
  const [sharing, setSharing] = useState<LabelGroup | null>(null);
  const copy = useCopyLabelGroup();
  const remove = useDeleteLabelGroup();
  const columns: Column<LabelGroup>[] = [
    {
      id: 'name',
      title: t('labels.column.name'),
      sort: 'name',
      width: 160,
      grow: 2,
      cell: group => (
        <span className="hm-row">
          <span className="hm-nm hm-ell" title={group.name}>
            {group.name}
          </span>
          {group.preset ? <span className="hm-muted hm-sm">{t('labels.preset')}</span> : <OwnerNote of={group} />}
        </span>
      )
    },
    { id: 'labels', title: t('labels.column.labels'), width: 200, grow: 4, cell: group => <LabelChips group={group} /> },
    { id: 'count', title: t('labels.column.count'), width: 72, numeric: true, cell: group => formatNumber(group.labels.length) },
    {
      id: 'used',
      title: t('labels.column.used'),
      width: 120,
      cell: group =>
        group.used_by ? t('labels.used', { count: group.used_by }) : <span className="hm-muted">{t('labels.unused')}</span>
    },
    {
      id: 'updated',
      title: t('labels.column.modified'),
      sort: 'updated_at',
      width: 124,
      numeric: true,
      above: 640,
      cell: group => <Time at={group.updated_at} />
    }
  ];
  if (edits) {
    columns.push({
        id: 'actions',
        title: <span className="hm-sr">{t('action.more')}</span>,
        width: 44,
        cell: group => (
          <Menu
            label={`${t('action.more')}: ${group.name}`}
            button={{ icon: 'more', look: 'quiet', small: true }}
            items={[
              { id: 'edit', label: t('action.edit'), icon: 'pencil', onSelect: () => open('label-group', { id: group.id }) },
              ...(can('sharing.share.manage') && mine(group)
                ? [{ id: 'share', label: t('share.action'), icon: 'share', onSelect: () => setSharing(group) } as const]
                : []),
              {
                id: 'copy',
                label: t('labels.copy'),
                icon: 'copy',
                onSelect: () =>
                  copy.mutate(group, { onSuccess: made => toast(t('labels.copied', { name: made.name })) })
              },
              {
                id: 'delete',
                label: t('action.delete'),
                icon: 'trash',
                danger: true,
                disabled: group.used_by > 0,
                onSelect: () => setDeleting(group)
              }
            ]}
          />
        )
      });
  }
  const create = edits && (
    <Button icon="plus" look="primary" onClick={() => open('label-group')}>
      {t('labels.new')}
    </Button>
  );
  return (
    <>
      <ListPage
        title={t('labels.title')}
        list={list}
        view={view}
        filters={filters}
        aside={<SharedSegment view={view} />}
        columns={columns}
        id={group => group.id}
        name={group => group.name}
        onOpen={group => open('label-group', { id: group.id })}
        actions={
          <>
            <AsCode forms={LABEL_CODE} />
            {create}
          </>
        }
        empty={
          <Empty icon="label" title={t('labels.empty')} action={create}>
            {t('labels.emptyHint')}
          </Empty>
        }
      />
      {sharing && <ShareDialog thing={{ ...sharing, kind: 'label_group' }} onClose={() => setSharing(null)} />}
      {deleting && (
        <Dialog
          title={t('labels.delete.title', { name: deleting.name })}
          accept={t('action.delete')}
          danger
          busy={remove.isPending}
          onClose={() => setDeleting(null)}
          onAccept={() =>
            remove.mutate(deleting, {
              onSuccess: () => toast(t('labels.deleted', { name: deleting.name })),
              onSettled: () => setDeleting(null)
            })
          }
        >
          <p>{t('labels.delete.text')}</p>
        </Dialog>
      )}
    </>
  );
}
