/** Bills, income and expense, prices, recharge. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import type { Bill, Posting, Price } from '../api/types';
import { useFrame } from '../frame';
import { useChange, usePaged, type PagedList } from './common';

export interface Summary {
  by: string;
  items: { key: string; name: string; amount_micros: number }[];
  total_micros: number;
}

export interface BillPeriod {
  from: string;
  to: string;
}

/** The person's distance from UTC, for where a day begins. */
export const offsetMinutes = (): number => -new Date().getTimezoneOffset();

export const useBills = (query: Record<string, string>): PagedList<Bill> =>
  usePaged<Bill>(['bill', 'list', undefined, query], '/bills', query);

export const usePostings = (query: Record<string, string>, enabled: boolean): PagedList<Posting> =>
  usePaged<Posting>(['balance', 'ledger', undefined, query], '/ledger', query, enabled);

export function useSummary(by: 'day' | 'section', period: BillPeriod): UseQueryResult<Summary> {
  const { client } = useFrame();
  return useQuery({
    queryKey: ['bill', 'summary', undefined, by, period],
    queryFn: () => client.get<Summary>('/bills/summary', { by, ...period, offset_minutes: offsetMinutes() })
  });
}

export function useBill(id: number): UseQueryResult<Bill & { postings: Posting[] }> {
  const { client } = useFrame();
  return useQuery({
    queryKey: ['bill', 'one', id],
    queryFn: () => client.get<Bill & { postings: Posting[] }>(`/bills/${id}`)
  });
}

export function usePrices(): UseQueryResult<{ entries: (Price & { unit?: string; price_per_hour?: string })[] }> {
  const { client } = useFrame();
  return useQuery({ queryKey: ['price', 'list'], queryFn: () => client.get('/prices') });
}

export const useRecharge = (onSuccess: () => void) =>
  useChange<{ tenant?: string; amount_micros: number; note: string }, Posting>(
    ['balance', 'bill'],
    (client, body) => client.post('/recharges', body),
    { quiet: true, onSuccess }
  );

export const useSetPrice = (onSuccess: () => void) =>
  useChange<{ resource: string; section: string | null; price_per_hour: string }, unknown>(
    ['price'],
    (client, entry) => client.put('/prices', { entries: [entry] }),
    { quiet: true, onSuccess }
  );
