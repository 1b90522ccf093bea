/** The fields of an algorithm's parameters, made from its declaration. */
import type { JSX } from 'react';
import type { AlgorithmParameter } from '../../api/types';
import { CheckField, NumberField, SelectField, TextField, fieldError } from '../../components/fields';

function hintOf(parameter: AlgorithmParameter): string {
  const { minimum, maximum, help } = parameter;
  const range =
    minimum !== null && minimum !== undefined && maximum !== null && maximum !== undefined
      ? `${minimum} – ${maximum}`
      : minimum !== null && minimum !== undefined
        ? `≥ ${minimum}`
        : '';
  return [help, range].filter(Boolean).join(' · ');
}

export function ParameterField(props: {
  parameter: AlgorithmParameter;
  value: unknown;
  error: unknown;
  onChange: (value: unknown) => void;
}): JSX.Element {
  const { parameter, value, onChange } = props;
  const common = {
    label: parameter.name,
    hint: hintOf(parameter),
    error: fieldError(props.error, `parameters.${parameter.name}`)
  };
  switch (parameter.type) {
    case 'int':
    case 'float':
      return (
        <NumberField
          {...common}
          value={typeof value === 'number' ? value : null}
          min={parameter.minimum ?? undefined}
          max={parameter.maximum ?? undefined}
          step={parameter.type === 'int' ? 1 : 'any'}
          onChange={onChange}
        />
      );
    case 'bool':
      return <CheckField label={parameter.name} hint={hintOf(parameter)} checked={!!value} onChange={onChange} />;
    case 'choice':
      return (
        <SelectField
          {...common}
          value={String(value)}
          options={(parameter.choices ?? []).map(one => ({ value: String(one), label: String(one) }))}
          onChange={next => onChange((parameter.choices ?? []).find(one => String(one) === next) ?? next)}
        />
      );
    default:
      return <TextField {...common} value={typeof value === 'string' ? value : ''} onChange={onChange} />;
  }
}
