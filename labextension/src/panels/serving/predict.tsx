/** Try the service: choose or drop a picture, the answer is drawn on it. */
import { useEffect, useRef, useState, type DragEvent, type JSX } from 'react';
import type { InferenceService } from '../../api/types';
import { Button, Card } from '../../components/basics';
import { Bars } from '../../components/chart';
import { ErrorLine } from '../../components/feedback';
import { formatPercent } from '../../domain/format';
import { t } from '../../i18n';
import { usePredict } from '../../queries/serving';

export function Predict({ service }: { service: InferenceService }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | null>(null);
  const [address, setAddress] = useState<string | null>(null);
  const [took, setTook] = useState<number | null>(null);
  const predict = usePredict(service.id);
  useEffect(() => {
    if (!file) {
      return;
    }
    const url = URL.createObjectURL(file);
    setAddress(url);
    return () => URL.revokeObjectURL(url);
  }, [file]);
  const run = (chosen: File) => {
    setFile(chosen);
    const begun = performance.now();
    predict.mutate(chosen, { onSettled: () => setTook(performance.now() - begun) });
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    const dropped = event.dataTransfer.files[0];
    if (dropped) {
      run(dropped);
    }
  };
  const ready = service.phase === 'running';
  const best = predict.data?.predictions[0];
  return (
    <Card title={t('serve.predict')} flush>
      <div className="hm-predict" onDragOver={event => event.preventDefault()} onDrop={drop}>
        {address ? (
          <>
            <img src={address} alt={file?.name ?? ''} />
            {best && (
              <span className="hm-answer">
                {best.label} {best.score.toFixed(2)}
              </span>
            )}
          </>
        ) : (
          <p className="hm-muted">{ready ? t('serve.dropPicture') : t('serve.notRunning')}</p>
        )}
      </div>
      <div className="hm-in hm-stack">
        {file && (
          <div className="hm-row hm-muted hm-sm">
            <span className="hm-ell hm-grow">{file.name}</span>
            {took !== null && !predict.isPending && <span className="hm-num">{Math.round(took)} ms</span>}
          </div>
        )}
        {predict.data && (
          <Bars
            label={t('serve.scores')}
            bars={predict.data.predictions.slice(0, 5).map(one => ({ label: one.label, value: one.score, words: formatPercent(one.score, 1) }))}
          />
        )}
        <ErrorLine error={predict.error} />
        <input
          ref={input}
          type="file"
          accept="image/png,image/jpeg,image/bmp,image/webp"
          className="hm-sr"
          aria-label={t('serve.choosePicture')}
          onChange={event => {
            const chosen = event.target.files?.[0];
            if (chosen) {
              run(chosen);
            }
            event.target.value = '';
          }}
        />
        <div className="hm-row">
          <Button icon="image" disabled={!ready} onClick={() => input.current?.click()}>
            {t('serve.choosePicture')}
          </Button>
          <span className="hm-grow" />
          {file && (
            <Button look="primary" icon="play" busy={predict.isPending} disabled={!ready} onClick={() => run(file)}>
              {t('serve.predict')}
            </Button>
          )}
        </div>
      </div>
    </Card>
  );
}
