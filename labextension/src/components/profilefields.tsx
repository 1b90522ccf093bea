/** The profile of the hub's configuration that a notebook starts with, and the profile's options (NB-3). */
import { useState, type JSX } from 'react';
import type { ChosenProfile } from '../api/types';
import { t } from '../i18n';
import type { ProfileBody, ProfileOption, SpawnProfile } from '../queries/profiles';
import { SelectField, TextField, fieldError } from './fields';

/** Stands for a value of one's own among an option's choices; no choice is called so. */
const OTHER = '\n';

interface OptionChoice {
  choice: string;
  own: string;
}

export interface ProfileChoice {
  profile: SpawnProfile | undefined;
  option: (of: ProfileOption) => OptionChoice;
  choose: (slug: string) => void;
  set: (name: string, value: OptionChoice) => void;
  /** False while a value of one's own is empty. */
  complete: boolean;
  body: ProfileBody;
}

function initially(option: ProfileOption, kept: string | undefined): OptionChoice {
  const listed = option.choices.some(one => one.value === kept);
  if (kept === undefined || (!listed && !option.other)) {
    return { choice: option.choices.find(one => one.default)?.value ?? OTHER, own: '' };
  }
  return listed ? { choice: kept, own: '' } : { choice: OTHER, own: kept };
}

/** What is chosen: what the notebook keeps while it is offered, else the default, until the person says otherwise. */
export function useProfileChoice(profiles: SpawnProfile[], kept?: ChosenProfile | null): ProfileChoice {
  const [slug, setSlug] = useState<string | null>(null);
  const [changed, setChanged] = useState<Record<string, OptionChoice>>({});
  const find = (wanted: string | null | undefined) => profiles.find(one => one.slug === wanted);
  const profile = find(slug) ?? find(kept?.slug) ?? profiles[0];
  const options = profile && profile.slug === kept?.slug ? kept.options : {};
  const option = (of: ProfileOption) => changed[of.name] ?? initially(of, options[of.name]);
  const value = (of: ProfileOption) => (option(of).choice === OTHER ? option(of).own.trim() : option(of).choice);
  return {
    profile,
    option,
    choose: next => {
      setSlug(next);
      setChanged({});
    },
    set: (name, next) => setChanged(before => ({ ...before, [name]: next })),
    complete: !profile || profile.options.every(of => value(of) !== ''),
    body: profile
      ? { profile: profile.slug, profile_options: Object.fromEntries(profile.options.map(of => [of.name, value(of)])) }
      : {}
  };
}

export function ProfileFields(props: { profiles: SpawnProfile[]; choice: ProfileChoice; error?: unknown }): JSX.Element | null {
  const { profiles, choice, error } = props;
  if (!choice.profile) {
    return null;
  }
  return (
    <>
      <SelectField
        label={t('profile.label')}
        value={choice.profile.slug}
        options={profiles.map(one => ({ value: one.slug, label: one.name }))}
        hint={choice.profile.description}
        error={fieldError(error, 'profile')}
        onChange={choice.choose}
      />
      {choice.profile.options.map(one => (
        <OptionFields key={one.name} option={one} choice={choice} error={fieldError(error, `profile_options.${one.name}`)} />
      ))}
    </>
  );
}

function OptionFields(props: { option: ProfileOption; choice: ProfileChoice; error: string | undefined }): JSX.Element {
  const { option, choice, error } = props;
  const chosen = choice.option(option);
  const own = option.other && chosen.choice === OTHER;
  const names = option.choices.map(one => ({ value: one.value, label: one.name }));
  return (
    <>
      {names.length > 0 && (
        <SelectField
          label={option.title}
          value={chosen.choice}
          options={option.other ? [...names, { value: OTHER, label: option.other.choice }] : names}
          error={own ? undefined : error}
          onChange={value => choice.set(option.name, { ...chosen, choice: value })}
        />
      )}
      {own && (
        <TextField
          label={names.length ? (option.other?.title ?? '') : option.title}
          hint={option.other?.message}
          limit={255}
          required
          value={chosen.own}
          error={error}
          onChange={value => choice.set(option.name, { ...chosen, own: value })}
        />
      )}
    </>
  );
}
