/** Bringing files into a dataset: buttons, drop anywhere on the page, progress, result, what was left out. */
import { useRef, useState, type DragEvent, type JSX, type ReactNode } from 'react';
import type { Dataset, FileResult, LabelGroup, RefusedFile } from '../../api/types';
import { Button, Meter } from '../../components/basics';
import { Dialog } from '../../components/dialog';
import { ErrorLine } from '../../components/feedback';
import { CheckField } from '../../components/fields';
import { Icon } from '../../components/icons';
import { Menu } from '../../components/menu';
import { formatBytes, formatSpan } from '../../domain/format';
import { downloadText } from '../../domain/download';
import {
  chosenFiles,
  droppedFiles,
  isArchive,
  uploadEnded,
  withoutLitter,
  type ChosenFile,
  type UploadState
} from '../../domain/uploads';
import { nextColour, nextKey, type LabelDraft } from '../../domain/labels';
import { t } from '../../i18n';
import { useChange } from '../../queries/common';
import { useRefused } from '../../queries/data';
import { useUpload, useUploads } from '../../queries/uploads';

const PICTURES = '.jpg,.jpeg,.png,.bmp,.webp';
const ARCHIVES = '.zip,.tar,.tgz,.tar.gz';

export interface Importing {
  /** Takes files: at once when they are flat, after a question when they come in folders. */
  take: (files: ChosenFile[]) => void;
  question: ReactNode;
}

/** Labels the folders name that the group does not have yet. */
export function missingLabels(files: readonly ChosenFile[], labels: readonly { name: string }[]): string[] {
  const folders = files.map(one => one.path.split('/').at(-2)).filter(folder => folder !== undefined);
  const known = new Set(labels.map(label => label.name));
  return [...new Set(folders)].filter(folder => !known.has(folder));
}

export function useImporting(dataset: Dataset): Importing {
  const uploads = useUploads();
  const addLabels = useChange<string[], unknown>(['label_group', 'dataset'], async (client, names) => {
    const group = await client.get<LabelGroup>(`/label-groups/${dataset.label_group.id}`);
    const labels: LabelDraft[] = [...group.labels];
    for (const name of names) {
      labels.push({ name, colour: nextColour(labels), key: nextKey(labels) });
    }
    return client.patch(`/label-groups/${group.id}`, { labels }, group.version);
  });
  const [asked, setAsked] = useState<ChosenFile[] | null>(null);
  const [fromFolders, setFromFolders] = useState(true);
  const start = async (files: ChosenFile[], labels: boolean) => {
    const missing = labels ? missingLabels(files, dataset.label_group.labels) : [];
    if (missing.length) {
      await addLabels.mutateAsync(missing);
    }
    await uploads.start(dataset.id, files, labels);
  };
  const folders = new Set((asked ?? []).map(one => one.path.split('/').slice(0, -1).join('/')).filter(Boolean));
  return {
    take: all => {
      const files = withoutLitter(all);
      const nested = files.some(one => one.path.includes('/')) || (files.length === 1 && files[0] && isArchive(files[0].file));
      if (nested) {
        setAsked(files);
      } else if (files.length) {
        void start(files, false);
      }
    },
    question: asked && (
      <Dialog
        title={t('import.ask.title', { count: asked.length })}
        accept={t('import.ask.start')}
        onClose={() => setAsked(null)}
        onAccept={() => {
          void start(asked, fromFolders).catch(() => undefined);
          setAsked(null);
        }}
      >
        {folders.size > 0 && (
          <p>
            {t('import.ask.text', {
              bytes: formatBytes(asked.reduce((sum, one) => sum + one.file.size, 0)),
              folders: folders.size
            })}
          </p>
        )}
        <CheckField
          label={t('import.ask.labels')}
          hint={t(folders.size ? 'import.ask.labelsHint' : 'import.ask.archiveHint')}
          checked={fromFolders}
          onChange={setFromFolders}
        />
      </Dialog>
    )
  };
}

/** The import button with its three ways; `plain` shows two buttons for an empty page. */
export function ImportButton({ onFiles, plain }: { onFiles: (files: ChosenFile[]) => void; plain?: boolean }): JSX.Element {
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const archive = useRef<HTMLInputElement>(null);
  const input = (ref: typeof files, accept: string, wholeFolder: boolean) => (
    <input
      ref={ref}
      type="file"
      multiple
      hidden
      accept={wholeFolder ? undefined : accept}
      {...(wholeFolder ? { webkitdirectory: '' } : {})}
      onChange={event => {
        if (event.target.files?.length) {
          onFiles(chosenFiles(event.target.files));
        }
        event.target.value = '';
      }}
    />
  );
  return (
    <>
      {plain ? (
        <span className="hm-row">
          <Button icon="image" look="primary" onClick={() => files.current?.click()}>
            {t('dataset.choose')}
          </Button>
          <Button icon="folder" onClick={() => folder.current?.click()}>
            {t('dataset.chooseFolder')}
          </Button>
        </span>
      ) : (
        <Menu
          label={t('dataset.import')}
          button={{ icon: 'download' }}
          items={[
            { id: 'files', label: t('dataset.import.files'), icon: 'image', onSelect: () => files.current?.click() },
            { id: 'folder', label: t('dataset.import.folder'), icon: 'folder', onSelect: () => folder.current?.click() },
            { id: 'archive', label: t('dataset.import.archive'), icon: 'layers', onSelect: () => archive.current?.click() }
          ]}
        >
          {t('dataset.import')}
        </Menu>
      )}
      {input(files, PICTURES, false)}
      {input(folder, PICTURES, true)}
      {input(archive, ARCHIVES, false)}
    </>
  );
}

/** Files dropped anywhere inside are taken; while they hover, the place says what may be dropped. */
export function DropZone(props: { onFiles: ((files: ChosenFile[]) => void) | undefined; children: ReactNode }): JSX.Element {
  const { onFiles, children } = props;
  const [over, setOver] = useState(0);
  const holdsFiles = (event: DragEvent) => onFiles !== undefined && event.dataTransfer.types.includes('Files');
  return (
    <div
      className="hm-dropzone"
      onDragEnter={event => holdsFiles(event) && setOver(count => count + 1)}
      onDragLeave={event => holdsFiles(event) && setOver(count => Math.max(0, count - 1))}
      onDragOver={event => {
        if (holdsFiles(event)) {
          event.preventDefault();
          event.dataTransfer.dropEffect = 'copy';
        }
      }}
      onDrop={event => {
        if (onFiles && holdsFiles(event)) {
          event.preventDefault();
          event.stopPropagation();
          setOver(0);
          void droppedFiles(event.dataTransfer).then(onFiles);
        }
      }}
    >
      {children}
      {over > 0 && (
        <div className="hm-dropveil">
          <Icon name="download" size={20} />
          <b>{t('dataset.drop')}</b>
          <span className="hm-muted">{t('dataset.dropHint')}</span>
        </div>
      )}
    </div>
  );
}

/** `18,154 / 29,760 files · 2.8 GiB · 34 MiB/s · 54 s left` */
export function uploadWords(upload: UploadState): string {
  const { sentFiles, files, sentBytes, bytes, bytesPerSecond } = upload;
  const values = { done: sentFiles, total: files, bytes: formatBytes(sentBytes) };
  return bytesPerSecond && !uploadEnded(upload)
    ? t('import.progressRate', {
        ...values,
        rate: formatBytes(bytesPerSecond),
        left: t('progress.left', { time: formatSpan((bytes - sentBytes) / bytesPerSecond) })
      })
    : t('import.progress', values);
}

const TONE: Record<UploadState['phase'], string> = {
  starting: 'hm-busy',
  sending: 'hm-busy',
  finishing: 'hm-busy',
  done: 'hm-run',
  cancelled: 'hm-rest',
  failed: 'hm-fail'
};

/** The running or just ended import of a dataset from this page. */
export function UploadBar({ dataset, row }: { dataset: number; row?: boolean }): JSX.Element | null {
  const uploads = useUploads();
  const upload = useUpload(dataset);
  const [showing, setShowing] = useState(false);
  if (!upload) {
    return null;
  }
  const ended = uploadEnded(upload);
  const share = upload.bytes ? upload.sentBytes / upload.bytes : 0;
  return (
    <div className={row ? 'hm-upload' : 'hm-upload hm-uploadbar'} role="status">
      <div className="hm-row">
        <span className={`hm-st ${TONE[upload.phase]}`}>
          <Icon name={ended ? (upload.phase === 'done' ? 'check' : 'warning') : 'download'} size={12} />
          {t(`import.${upload.phase}`)}
        </span>
        <span className="hm-muted hm-ell hm-grow">
          {upload.waiting
            ? t('import.waiting')
            : upload.phase === 'done'
              ? t('import.result', { added: upload.added, duplicates: upload.duplicates })
              : upload.phase === 'cancelled'
                ? t('import.cancelledHint')
                : uploadWords(upload)}
        </span>
        {upload.refused.length > 0 && (
          <button type="button" className="hm-link" onClick={() => setShowing(true)}>
            {t('import.refused', { count: upload.refused.length })}
          </button>
        )}
        <Button
          small
          look="quiet"
          onClick={() => (ended ? uploads.dismiss(dataset) : void uploads.cancel(dataset))}
        >
          {ended ? t('action.close') : t('action.cancel')}
        </Button>
      </div>
      {!ended && <Meter share={share} label={t('import.sending')} />}
      <ErrorLine error={upload.error} />
      {showing && (
        <RefusedDialog dataset={dataset} importId={upload.importId} local={upload.refused} onClose={() => setShowing(false)} />
      )}
    </div>
  );
}

/** Every file that was left out, with its reason; from the platform, and what was held back before sending. */
export function RefusedDialog(props: {
  dataset: number;
  importId: number | null;
  local: readonly FileResult[];
  onClose: () => void;
}): JSX.Element {
  const remote = useRefused(props.dataset, props.importId);
  const own = props.local.map((one): RefusedFile => ({
    path: one.path,
    code: one.code ?? '',
    reason: one.reason ?? (one.code === 'too_large' ? t('import.tooLarge') : (one.code ?? ''))
  }));
  const known = new Set(own.map(one => one.path));
  const all = [...own, ...(remote.data?.items ?? []).filter(one => !known.has(one.path))];
  const csv = () =>
    downloadText(
      'refused.csv',
      ['path,code,reason', ...all.map(one => [one.path, one.code, one.reason].map(quoted).join(','))].join('\n') + '\n'
    );
  return (
    <Dialog title={t('import.refused.title')} wide onClose={props.onClose}>
      <div className="hm-scrollbox">
        <table className="hm-plaintable">
          <thead>
            <tr>
              <th>{t('import.refused.file')}</th>
              <th>{t('import.refused.reason')}</th>
            </tr>
          </thead>
          <tbody>
            {all.map(one => (
              <tr key={one.path}>
                <td>{one.path}</td>
                <td>{one.reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Button icon="table" onClick={csv}>
        {t('import.refused.csv')}
      </Button>
    </Dialog>
  );
}

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
